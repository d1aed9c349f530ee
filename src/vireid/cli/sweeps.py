"""The named sweeps: for each the cells of a grid, a complete recipe a cell. `vireid.cli.sweep` runs them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from vireid.cli.config import SweepName
from vireid.cli.recipe_config import RecipeConfig
from vireid.cli.recipes import RECIPES, reconstruction_of
from vireid.types import VireidError

__all__ = ["COSTED", "Cell", "make_cells"]

ABLATION = "ablation all-search"
"""The setting of MSCMNet's Table IV among the published results."""

COSTED = ("questions", "mimb")
"""Sweeps whose table says what each network costs."""

OTHERS = ("agw", "caj", "deen", "mspac", "cscl")
"""What MSCMNet and its ablations are compared with."""

HOSTS = ("agw", "caj", "deen")
"""Methods that MIMB is tried on."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One row of a sweep's table.

    Attributes:
        key: name of its folder.
        labels: what sets it apart, a pair of column and value each; all cells of a sweep have the same columns.
        recipe: the complete training.
        published: method among the published results that this is, empty where none is.
        setting: of that result, empty for the one that the data set's protocol has.
    """

    key: str
    labels: tuple[tuple[str, str], ...]
    recipe: RecipeConfig
    published: str = ""
    setting: str = ""


def make_cells(
    name: SweepName, *, small: bool = False, epochs: int | None = None, weights: str | None = None
) -> list[Cell]:
    """The cells of a sweep, in the order of its table.

    Args:
        small: from the small forms of the recipes.
        epochs: length of every training; None for the recipe's own.
        weights: where every backbone starts; None for the recipe's own.

    Raises:
        VireidError: epochs below 1.
    """
    if epochs is not None and epochs < 1:
        raise VireidError(f"a training needs at least 1 epoch, got {epochs}")
    grids: dict[SweepName, Callable[[bool], list[Cell]]] = {
        "table4": _table4,
        "fig5": _fig5,
        "fig6": _fig6,
        "fig7": _fig7,
        "questions": _questions,
        "methods": _methods,
        "mimb": _mimb,
    }
    cells = grids[name](small)
    if weights is not None:
        cells = [_changed(cell, network={"weights": weights}) for cell in cells]
    if epochs is not None:
        cells = [dataclasses.replace(cell, recipe=_of_length(cell.recipe, epochs)) for cell in cells]
    return cells


def _table4(small: bool) -> list[Cell]:
    full, base = _recipe("mscmnet", small), _recipe("baseline", small)
    cells = []
    for method in (
        "Base",
        "Base+QFE",
        "Base+MIMB",
        "Base+QFE+MIMB",
        "Base+QFE+QCT",
        "Base+MIMB+QCT",
        "Base+QFE+MIMB+QCT",
    ):
        parts = method.split("+")
        network = dataclasses.replace(
            full.network,
            streams=full.network.streams if "QFE" in parts else base.network.streams,
            mimb="MIMB" in parts,
        )
        recipe = dataclasses.replace(
            full,
            network=network,
            # QFE is views and stems, so what has no QFE sees what Base sees.
            views=full.views if "QFE" in parts else base.views,
            loss=full.loss if "QCT" in parts else base.loss,
        )
        cells.append(
            Cell(
                key=method.lower().replace("+", "-"),
                labels=_marks(method, parts),
                recipe=recipe,
                published=method,
                setting=ABLATION,
            )
        )
    return cells


def _fig5(small: bool) -> list[Cell]:
    full = _recipe("mscmnet", small)
    # The paper names the scales of four blocks only: fewer take the shallowest, a fifth mines the deepest once more.
    grids = {
        "multi-scale": [(0,), (0, 1), (0, 1, 2), (0, 1, 2, 3), (0, 1, 2, 3, 3)],
        "single-scale": [(3,) * count for count in range(1, 6)],
    }
    return [
        _variant(
            full,
            f"{form}-{len(blocks)}",
            {"ALBs": str(len(blocks)), "scales": " ".join(f"G{scale}" for scale in blocks)},
            network={"mimb_blocks": blocks},
        )
        for form, grid in grids.items()
        for blocks in grid
    ]


def _fig6(small: bool) -> list[Cell]:
    full = _recipe("mscmnet", small)
    return [
        _variant(full, view, {"second visible view": view}, views={"second_visible": view})
        for view in ("none", "gray", "jitter", "blur", "channel-exchange")
    ]


def _fig7(small: bool) -> list[Cell]:
    full = _recipe("mscmnet", small)
    cells = [
        _variant(full, loss, {"metric loss": loss, "alpha": ""}, loss=_ALONE[loss])
        for loss in ("center", "batch-hard", "weighted-triplet", "center-triplet")
    ]
    for alpha in (0.0, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0):
        labels = {"metric loss": "quadruple-center", "alpha": f"{alpha:g}"}
        # The paper's own alpha stays the default, so that this cell is mscmnet itself.
        loss = {} if alpha == 0.05 else {"alpha": alpha}
        cells.append(_variant(full, f"quadruple-center-{alpha:g}", labels, loss=loss))
    return cells


# The other metric losses; batch hard at its own margin, the centre triplet at that of MPANet, as QCT's.
_ALONE: dict[str, dict[str, Any]] = {
    "center": {"metric": "center"},
    "batch-hard": {"metric": "batch-hard", "margin": 0.3},
    "weighted-triplet": {"metric": "weighted-triplet"},
    "center-triplet": {"metric": "center-triplet"},
}


def _questions(small: bool) -> list[Cell]:
    full = _recipe("mscmnet", small)
    asked: list[tuple[str, str, str, dict[str, dict[str, Any]]]] = [
        ("mscmnet", "", "nothing", {}),
        ("no-mimb", "what does MIMB give, and at what cost", "no MIMB", {"network": {"mimb": False}}),
        (
            "cross-attention",
            "does ALB beat plain cross-attention",
            "cross-attention for ALB",
            {"network": {"mimb_variant": "cross-attention"}},
        ),
        ("center", "does QCT beat older losses", "centre loss for QCT", {"loss": _ALONE["center"]}),
        ("batch-hard", "does QCT beat older losses", "batch-hard triplet for QCT", {"loss": _ALONE["batch-hard"]}),
        (
            "shared-stems",
            "are stems of their own worth it",
            "one stem a modality, four views",
            {"network": {"streams": "shared"}},
        ),
        (
            "dual",
            "are stems of their own worth it",
            "one stem and one view a modality",
            {"network": {"streams": "dual"}},
        ),
    ]
    cells = [
        _variant(full, key, {"question": question, "changed": changed}, **changes)
        for key, question, changed, changes in asked
    ]
    # Table IV of the paper has MSCMNet without MIMB.
    cells[1] = dataclasses.replace(cells[1], published="Base+QFE+QCT", setting=ABLATION)
    return cells


def _methods(small: bool) -> list[Cell]:
    base = _recipe("mscmnet", small)
    published = {"agw": "AGW", "caj": "CAJ", "deen": "DEEN", "cscl": "CSCL"}
    others = [
        Cell(
            key=name,
            labels=_marks(name if reconstruction_of(recipe) == "none" else f"{name} (reconstruction)", ()),
            recipe=_on_equal_terms(recipe, base),
            published=published.get(name, ""),
        )
        for name, recipe in ((name, _recipe(name, small)) for name in OTHERS)
    ]
    with_mimb = [
        _changed(
            dataclasses.replace(cell, key=f"{cell.key}-mimb", labels=_marks(cell.key, ("MIMB",)), published=""),
            network={"mimb": True},
        )
        for cell in others
        if cell.key in HOSTS
    ]
    return _once(_table4(small) + others + with_mimb)


def _once(cells: Sequence[Cell]) -> list[Cell]:
    """Each training once: in the small form, on equal terms, nothing is left that sets CAJ apart from Base."""
    kept: list[Cell] = []
    for cell in cells:
        twin = next((index for index, other in enumerate(kept) if other.recipe == cell.recipe), None)
        if twin is None:
            kept.append(cell)
        else:
            (_, method), *marks = kept[twin].labels
            both = f"{method} = {dict(cell.labels)['method']}" if cell.key in OTHERS else method
            kept[twin] = dataclasses.replace(kept[twin], labels=(("method", both), *marks))
    return kept


def _marks(method: str, parts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """The columns of Table IV."""
    return (("method", method), *((part, "x" if part in parts else "") for part in ("QFE", "MIMB", "QCT")))


def _mimb(small: bool) -> list[Cell]:
    base = _recipe("mscmnet", small)
    hosts = [(name, _on_equal_terms(_recipe(name, small), base)) for name in HOSTS]
    hosts += [(f"mscmnet-{label}", _on_backbone(base, name)) for label, name in _BACKBONES[small].items()]
    cells = []
    for key, recipe in hosts:
        for mimb in (False, True):
            method, _, backbone = key.partition("-")
            labels = (
                ("method", method),
                ("backbone", backbone or recipe.network.backbone.partition(".")[0]),
                ("MIMB", "x" if mimb else ""),
            )
            plain = Cell(key=f"{key}-{'mimb' if mimb else 'plain'}", labels=labels, recipe=recipe)
            cells.append(_changed(plain, network={"mimb": mimb}))
    return cells


# By form: what the table calls a backbone, and timm's name; the first is the recipe's own.
_BACKBONES: dict[bool, dict[str, str]] = {
    False: {
        "resnet50": "",
        "resnet18": "resnet18.tv_in1k",
        "resnet101": "resnet101.tv_in1k",
        "convnext_tiny": "convnext_tiny.fb_in1k",
        "swin_tiny": "swin_tiny_patch4_window7_224.ms_in1k",
    },
    True: {
        "resnet10t": "",
        "resnet18": "resnet18",
        "convnext_atto": "convnext_atto",
        "swin_tiny": "swin_tiny_patch4_window7_224",
    },
}


def _on_backbone(recipe: RecipeConfig, name: str) -> RecipeConfig:
    """The recipe on another backbone; strides that cannot be taken out and blocks that it has not are left."""
    if not name:
        return recipe
    staged = name.startswith("resnet")
    network = dataclasses.replace(
        recipe.network,
        backbone=name,
        channels=None,
        stem_width=None,
        last_stride=1 if staged else None,
        # Non-local blocks need stages as deep as the recipe's ResNet-50.
        nonlocal_blocks=recipe.network.nonlocal_blocks if name.startswith("resnet101") else (0, 0, 0, 0),
    )
    return dataclasses.replace(recipe, network=network)


def _recipe(name: str, small: bool) -> RecipeConfig:
    return RECIPES[f"{name}-small" if small else name]


def _on_equal_terms(recipe: RecipeConfig, base: RecipeConfig) -> RecipeConfig:
    """A recipe at the epochs, identities and images a step of another; its schedule keeps its shape."""
    return dataclasses.replace(
        _of_length(recipe, base.epochs),
        identities=base.identities,
        images=base.images,
        accumulate=base.accumulate,
        precision=base.precision,
    )


def _of_length(recipe: RecipeConfig, epochs: int) -> RecipeConfig:
    """A recipe of another length, warm-up and milestones at the same shares of it; no milestone before epoch 1."""
    if epochs == recipe.epochs:
        return recipe
    optimizer = dataclasses.replace(
        recipe.optimizer,
        warmup_epochs=round(recipe.optimizer.warmup_epochs * epochs / recipe.epochs),
        # Rounded down: a milestone at the very end would never come.
        milestones=tuple(max(1, milestone * epochs // recipe.epochs) for milestone in recipe.optimizer.milestones),
    )
    return dataclasses.replace(recipe, epochs=epochs, optimizer=optimizer)


def _variant(full: RecipeConfig, key: str, labels: dict[str, str], **changes: dict[str, Any]) -> Cell:
    """A cell that is MSCMNet with something changed; where nothing is, the published MSCMNet stands beside it."""
    cell = _changed(Cell(key=key, labels=tuple(labels.items()), recipe=full), **changes)
    return dataclasses.replace(cell, published="MSCMNet") if cell.recipe == full else cell


def _changed(cell: Cell, **changes: dict[str, Any]) -> Cell:
    """A cell with some settings of the parts of its recipe changed."""
    parts = {name: dataclasses.replace(getattr(cell.recipe, name), **values) for name, values in changes.items()}
    return dataclasses.replace(cell, recipe=dataclasses.replace(cell.recipe, **parts))
