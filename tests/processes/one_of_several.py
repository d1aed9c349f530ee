"""What a process does of a step that others share: run by torchrun, or alone, from test_several_processes.py.

python one_of_several.py OUT RECIPE...: loss terms and gradients of each recipe's step, as the first process has them.
"""

import sys
from dataclasses import asdict
from pathlib import Path

import torch

from vireid.cli.recipes import RECIPES
from vireid.cli.train import network_arguments
from vireid.models import build_network
from vireid.training import Targets, join_processes, make_criterion
from vireid.training.global_batch import gather_batch

IDENTITIES, IMAGES = 4, 2
SIZE = (96, 48)


def step(name: str) -> dict[str, torch.Tensor]:
    recipe = RECIPES[name]
    arguments = network_arguments(recipe.network, identities=6, seed=3) | {"image_size": SIZE}
    network = build_network(**arguments)
    # BatchNorm frozen: to see the rows of other processes, it needs GPUs.
    network.eval()
    random = torch.Generator().manual_seed(5)
    count = IDENTITIES * IMAGES
    everyones = torch.randn(len(network.streams), count, 3, *SIZE, generator=random)
    labels = torch.tensor([4, 0, 5, 2]).repeat_interleave(IMAGES)
    parts = torch.randint(7, (len(network.streams), count, *SIZE), generator=random).to(torch.uint8)
    fabric = join_processes("cpu")
    each = count // fabric.world_size
    share = slice(fabric.global_rank * each, (fabric.global_rank + 1) * each)
    targets = Targets(
        labels[share].repeat(len(network.streams)),
        parts[:, share].flatten(0, 1) if recipe.loss.parsing_weight else None,
    )
    module = fabric.setup_module(network)
    output = module([views[share] for views in everyones])
    if fabric.world_size > 1:
        output, targets = gather_batch(fabric, output, targets, streams=len(network.streams))
    terms = make_criterion(streams=network.streams, **asdict(recipe.loss))(output, targets)
    fabric.backward(torch.stack(list(terms.values())).sum())
    found = {f"loss {term}": value.detach() for term, value in terms.items()}
    found |= {name: weight.grad for name, weight in network.named_parameters() if weight.grad is not None}
    return found | {"features": output.features.detach(), "labels": targets.labels}


if __name__ == "__main__":
    out, *names = sys.argv[1:]
    torch.set_num_threads(1)
    found = {name: step(name) for name in names}
    if join_processes("cpu").is_global_zero:
        torch.save(found, Path(out))
