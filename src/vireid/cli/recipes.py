"""RECIPES: named complete trainings."""

from __future__ import annotations

from dataclasses import replace

from vireid.cli.recipe_config import LossConfig, NetworkConfig, OptimizerConfig, RecipeConfig, ViewsConfig

__all__ = ["RECIPES", "describe", "method_of", "reconstruction_of"]

_NO_NONLOCAL = (0, 0, 0, 0)

_PAPER = RecipeConfig()

# The paper's ablations start from CAJ with MSCMNet's images, batches and schedule.
_BASE = replace(
    _PAPER,
    network=replace(_PAPER.network, streams="triple", mimb=False),
    loss=LossConfig(metric="squared-difference"),
    views=ViewsConfig(style="caj"),
)

# AGW's and CAJ's released non-local blocks have one inner channel (docs/methods.md).
_AGW = RecipeConfig(
    network=NetworkConfig(height=288, width=144, streams="dual", nonlocal_channels=1, mimb=False, mimb_heads=18),
    loss=LossConfig(metric="weighted-triplet"),
    views=ViewsConfig(style="agw", erasing=0.0),
    optimizer=OptimizerConfig(nesterov=True, warmup_epochs=10, milestones=(20, 50)),
    epochs=81,
    identities=8,
)

_CAJ = replace(
    _AGW,
    network=replace(_AGW.network, streams="triple"),
    loss=LossConfig(metric="squared-difference"),
    views=ViewsConfig(style="caj"),
    epochs=100,
)

_DEEN = RecipeConfig(
    network=NetworkConfig(
        height=384,
        width=144,
        streams="dual",
        nonlocal_blocks=_NO_NONLOCAL,
        mimb=False,
        mimb_heads=24,
        power=1.0,
        aggregation=True,
        expansion_branches=2,
    ),
    loss=LossConfig(metric="batch-hard", margin=0.3, center_guided_weight=0.8, orthogonality_weight=0.01),
    views=ViewsConfig(style="deen"),
    optimizer=OptimizerConfig(nesterov=True, warmup_epochs=10, milestones=(20, 80)),
    epochs=151,
)

_MSPAC = replace(
    _AGW,
    network=replace(_AGW.network, nonlocal_channels=None, stripes=(6, 3, 2)),
    loss=LossConfig(metric="marginal-exponential-center"),
    views=ViewsConfig(style="caj"),
)

_CSCL = replace(
    _BASE,
    network=replace(_BASE.network, streams="dual", parts=7, parsing_attention=(2, 3)),
    loss=LossConfig(metric="weighted-triplet", parsing_weight=0.5, division_weight=0.1, center_mining_weight=0.5),
)


def _small(recipe: RecipeConfig) -> RecipeConfig:
    """The same method on a small ResNet from scratch at 96 x 48, P = K = 4, 12 epochs: what two CPU cores can train."""
    return replace(
        recipe,
        network=replace(
            recipe.network,
            backbone="resnet10t",
            weights="none",
            channels=(32, 64, 128, 256),
            stem_width=16,
            height=96,
            width=48,
            nonlocal_blocks=_NO_NONLOCAL,
            nonlocal_channels=None,
            mimb_tokens=64,
            mimb_heads=6,
        ),
        loss=replace(
            recipe.loss,
            # At full weight DEEN's losses shrink untrained features to a point, from which nothing is learnt.
            metric_weight=0.1 if recipe.network.expansion_branches else recipe.loss.metric_weight,
            center_guided_weight=0.1 * recipe.loss.center_guided_weight,
            orthogonality_weight=0.1 * recipe.loss.orthogonality_weight,
        ),
        views=replace(recipe.views, padding=4, erasing=min(recipe.views.erasing, 0.2)),
        optimizer=OptimizerConfig(learning_rate=0.03, nesterov=True, warmup_epochs=2, milestones=(8, 11)),
        epochs=12,
        identities=4,
        images=4,
    )


_METHODS = {
    "mscmnet": _PAPER,
    "baseline": _BASE,
    "agw": _AGW,
    "caj": _CAJ,
    "deen": _DEEN,
    "mspac": _MSPAC,
    "cscl": _CSCL,
}

RECIPES = {
    **_METHODS,
    "mscmnet-released": replace(
        _PAPER,
        network=replace(_PAPER.network, mimb_variant="released"),
        loss=LossConfig(variant="released"),
        optimizer=OptimizerConfig(nesterov=True, warmup_epochs=10, milestones=(25, 90, 120)),
        precision="16",
    ),
    **{f"{name}-small": _small(recipe) for name, recipe in _METHODS.items()},
}
"""Every complete training by its name; `describe` says of each what it is, what it costs and what it scored."""

_DESCRIPTIONS = {
    "mscmnet": """MSCMNet as the paper writes it: ResNet-50 from ImageNet weights, 384 x 192.

Cost: 150 epochs; on SYSU-MM01 the released code took 0.43 s a step and about
17 hours on an RTX 3090.

Score: not yet run.""",
    "mscmnet-released": """MSCMNet as its authors' released code trains it; needs a CUDA GPU (fp16).

Cost: as mscmnet. Published: 78.53 Rank-1, 74.20 mAP on SYSU-MM01 all-search.

Score: not yet run.""",
    "baseline": """The paper's Base (Table IV): CAJ's views and loss, MSCMNet's settings.

Cost: 150 epochs at 384 x 192. Published: 69.9 Rank-1, 66.9 mAP on SYSU-MM01
all-search.

Score: not yet run.""",
    "agw": """AGW (TPAMI 2021): two streams, non-local blocks, weighted triplet.

Cost: 81 epochs at 288 x 144. Published: 47.50 Rank-1, 47.65 mAP on SYSU-MM01
all-search.

Score: not yet run.""",
    "caj": """CAJ (ICCV 2021): AGW's network, a channel-exchanged second visible view.

Cost: 100 epochs at 288 x 144. Published, with the mirror image at test
(evaluate --mirror): 69.88 Rank-1, 66.89 mAP on SYSU-MM01 all-search.

Score: not yet run.""",
    "deen": """DEEN (CVPR 2023): cross-scale aggregation, diverse embedding expansion.

Cost: 151 epochs at 384 x 144. Published: 74.70 Rank-1, 71.80 mAP on SYSU-MM01
all-search.

Score: not yet run.""",
    "mspac": """MSPAC (ICPR 2020), a reconstruction from its abstract: stripes, cascaded.

Assumptions: docs/reconstructions.md. Cost: 81 epochs at 288 x 144.

Score: not yet run.""",
    "cscl": """CSCL (TMM 2024), a reconstruction from its abstract: parsing-guided parts.

Assumptions, and how to get part maps: docs/reconstructions.md. Cost: 150 epochs
at 384 x 192. Published: 75.72 Rank-1, 72.08 mAP on SYSU-MM01 all-search.

Score: not yet run.""",
    "mscmnet-small": """MSCMNet on a small ResNet from scratch at 96 x 48, for a CPU: the demo.

Cost: 5 minutes on two CPU cores (320 people, 3,456 images).

Score: Rank-1 17.5 +- 3.4 in the demo's world, all-search, 80 unseen people,
 three seeds (untrained 1.6, chance 1.3); see benchmarks/demo_*.md.""",
}


def describe(recipe: str) -> str:
    """What a recipe is, what it costs and what it scored."""
    if recipe in _DESCRIPTIONS:
        return _DESCRIPTIONS[recipe]
    full = recipe.removesuffix("-small")
    return f"""The method of {full} on a small ResNet from scratch at 96 x 48, for a CPU.

Score: see benchmarks/methods_*.md."""


def reconstruction_of(recipe: RecipeConfig) -> str:
    """Which parts of a training are rebuilt from an abstract alone; ``none`` where none is.

    >>> reconstruction_of(RECIPES["mspac"])
    'from abstracts only (docs/reconstructions.md): MSPAC part cascade, MeCen loss'
    """
    network, loss = recipe.network, recipe.loss
    parts = {
        "MSPAC part cascade": network.stripes,
        "MeCen loss": loss.metric == "marginal-exponential-center" and loss.metric_weight,
        "CSCL PAM": network.parsing_attention,
        "CSCL SPAM": network.parts,
        "CSCL parsing loss": loss.parsing_weight,
        "CSCL division loss": loss.division_weight,
        "CSCL ICM loss": loss.center_mining_weight,
    }
    used = [name for name, given in parts.items() if given]
    return f"from abstracts only (docs/reconstructions.md): {', '.join(used)}" if used else "none"


def method_of(name: str, recipe: RecipeConfig) -> str:
    """What results call a training: its recipe's name, and whether any setting of it was changed.

    >>> method_of("agw", replace(RECIPES["agw"], epochs=3))
    'agw, settings changed'
    """
    return name if RECIPES.get(name, recipe) == recipe else f"{name}, settings changed"
