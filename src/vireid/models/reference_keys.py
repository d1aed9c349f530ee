"""What the reference repositories call the parameters of our networks, and which of theirs they never use."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["reference_key", "resembles", "unused_keys"]

_FAMILIES: dict[str, tuple[str, ...]] = {
    "mscmnet": ("layerATT",),
    "deen": ("DEE.", "MFA"),
    "agw": ("NL_",),
}
"""How the tensors begin that only these networks have (CAJ's is AGW's); MSCMNet holds AGW's too, so it is first."""

_STEMS = {
    "visible": "visible_module.visible",
    "infrared": "thermal_module.thermal",
    "visible_global": "visible_module.visible",
    "visible_channel": "visible_moduleA.visible",
    "infrared_global": "thermal_module.thermal",
    "infrared_channel": "thermal_moduleA.thermal",
}
_HEAD = {"neck": "bottleneck", "classifier": "classifier"}
_NONLOCAL = {"theta": "theta", "phi": "phi", "g": "g.0", "project": "W.0", "norm": "W.1"}
_FIRST_NONLOCAL = {2: 2, 3: 3}
"""By the number of a stage the first of its blocks that a non-local block follows."""
_AGGREGATION = {"channel": "CNL", "position": "PNL"}
_ALB = {
    "reduce_deep": "ATT_narrow",
    "norm_deep": "ln_1",
    "norm_shallow": "ln_1o",
    "attention": "attn",
    "norm_mlp": "ln_2",
    "mlp.0": "mlp.c_fc",
    "mlp.2": "mlp.c_proj",
    "expand": "ATT_broad",
}
_STAGES = tuple(f"layer{number}" for number in range(1, 5))

_UNUSED_PARTS = (
    *(f"layerATT{block}.ATT_narrow2" for block in (0, 1)),
    *(f"layerATT{block}.ATT_narrow1" for block in (2, 3)),
    "layerATT3.ATT_narrow2",
    "layerATT3.ln_1o",
)
"""MSCMNet's layers with a weight and a bias that no image passes; a convolution with a BatchNorm is another."""


def reference_key(key: str) -> str:
    """What the reference calls one of our parameters.

    >>> reference_key("stages.2.3.1.project.weight")
    'NL_3.0.W.0.weight'
    >>> reference_key("stems.infrared.conv1.weight")
    'thermal_module.thermal.conv1.weight'
    """
    part, *path = key.split(".")
    if part == "stems":
        return ".".join([_STEMS[path[0]], *path[1:]])
    if part == "head":
        return ".".join([_HEAD[path[0]], *path[1:]])
    if part == "mimb":
        return _alb_key(path[1], ".".join(path[2:]))
    if part == "aggregation":
        number, half, layer, name = path
        theirs = layer if layer == "g" else _NONLOCAL[layer]
        return f"MFA{int(number) + 1}.{_AGGREGATION[half]}.{theirs}.{name}"
    if part == "expansion":
        branch = int(path[1]) + 1
        layer = f"FC{branch}{int(path[3]) + 1}" if path[2] == "look" else f"FC{branch}"
        return f"DEE.{layer}.{path[-1]}"
    return _stage_key(int(path[0]) + 1, int(path[1]), path[2:], followed=len(path) > 2 and path[2] in ("0", "1"))


def unused_keys(used: Iterable[str]) -> dict[str, str]:
    """Every tensor that a reference file may hold beside the used ones, to the group that a report names it by.

    Each stem of the reference is a whole ResNet of which only conv1 and bn1 see images, and the trunk is another one
    whose own conv1 and bn1 do not; MSCMNet's ALBs make two reductions each and use one or none.

    Args:
        used: the reference's names of all used tensors.
    """
    used = list(used)
    trunk = "base_resnet.base"
    stems = sorted({stem for stem in _STEMS.values() if f"{stem}.conv1.weight" in used})
    unused: dict[str, str] = {}
    for key in used:
        if key.startswith(f"{trunk}.layer"):
            inner = key.removeprefix(f"{trunk}.")
            stage = inner.split(".")[0]
            unused |= {f"{stem}.{inner}": f"{stem}.{stage}" for stem in stems}
        elif stems and key.startswith((f"{stems[0]}.conv1.", f"{stems[0]}.bn1.")):
            inner = key.removeprefix(f"{stems[0]}.")
            unused[f"{trunk}.{inner}"] = f"{trunk}.{inner.split('.')[0]}"
    for whole in (*stems, trunk):
        unused |= {f"{whole}.fc.{name}": f"{whole}.fc" for name in ("weight", "bias")}
    if any(key.startswith("layerATT") for key in used):
        unused |= {f"{part}.{name}": part for part in _UNUSED_PARTS for name in ("weight", "bias")}
        statistics = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
        unused |= {"local_conv.weight": "local_conv"} | {f"feat_bn2d.{name}": "feat_bn2d" for name in statistics}
    return unused


def resembles(keys: Iterable[str]) -> str | None:
    """Which kind of network tensors of these names look like; None for none of those known here."""
    keys = list(keys)
    for kind, beginnings in _FAMILIES.items():
        if any(key.startswith(beginnings) for key in keys):
            return kind
    return None


def _alb_key(block: str, rest: str) -> str:
    if rest.startswith("reduce_shallow"):
        return f"layerATT{block}.ATT_narrow{1 if block in '01' else 2}.{rest.split('.')[-1]}"
    ours = next(name for name in _ALB if rest.startswith((f"{name}.", f"{name}_")))
    return f"layerATT{block}.{_ALB[ours]}{rest.removeprefix(ours)}"


def _stage_key(stage: int, block: int, path: list[str], *, followed: bool) -> str:
    if followed and path[0] == "1":
        return f"NL_{stage}.{block - _FIRST_NONLOCAL[stage]}.{_NONLOCAL[path[1]]}.{path[2]}"
    rest = path[1:] if followed else path
    return ".".join([f"base_resnet.base.layer{stage}.{block}", *rest])
