"""BatchNorms put into the convolutions before them."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from vireid.exports.entry_point import EntryPoint, capture

__all__ = ["fold_norms"]


def fold_norms(entry: EntryPoint) -> EntryPoint:
    """Fold each BatchNorm whose input is a convolution that nothing else sees; vectors differ in their last digits.

    Which these are is read from the graph, for a network's modules do not say in which order they are called.

    Args:
        entry: changed in place; its network is a copy, so that the one it was made of stays as it is.

    Returns:
        The entry point that was given.
    """
    graph = capture(EntryPoint(entry.network, entry.modality, entry.feature)).module().graph
    for node in graph.nodes:
        if node.target is not torch.ops.aten.batch_norm.default:
            continue
        before = node.args[0]
        if before.target is not torch.ops.aten.conv2d.default or len(before.users) > 1:
            continue
        names = [str(each.args[1].target).rpartition(".")[0] for each in (before, node)]
        convolution, norm = (entry.get_submodule(name) for name in names)
        if type(convolution) is nn.Conv2d and type(norm) is nn.BatchNorm2d:
            fused = fuse_conv_bn_eval(convolution, norm).to(memory_format=torch.channels_last)
            entry.set_submodule(names[0], fused)
            entry.set_submodule(names[1], nn.Identity())
    return entry
