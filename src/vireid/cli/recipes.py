"""RECIPES: named complete trainings."""

from __future__ import annotations

from vireid.cli.config import LossConfig, NetworkConfig, OptimizerConfig, RecipeConfig, ViewsConfig

__all__ = ["RECIPES", "describe"]

RECIPES = {
    "mscmnet": RecipeConfig(),
    "mscmnet-released": RecipeConfig(
        network=NetworkConfig(mimb_variant="released"),
        loss=LossConfig(variant="released"),
        optimizer=OptimizerConfig(nesterov=True, warmup_epochs=10, milestones=(25, 90, 120)),
        precision="16",
    ),
    "mscmnet-small": RecipeConfig(
        network=NetworkConfig(
            backbone="resnet10t",
            weights="none",
            channels=(32, 64, 128, 256),
            stem_width=16,
            height=96,
            width=48,
            nonlocal_blocks=(0, 0, 0, 0),
            mimb_tokens=64,
            mimb_heads=6,
        ),
        views=ViewsConfig(padding=4, erasing=0.2),
        optimizer=OptimizerConfig(learning_rate=0.03, nesterov=True, warmup_epochs=2, milestones=(8, 11)),
        epochs=12,
        identities=4,
    ),
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
    "mscmnet-small": """MSCMNet on a small ResNet from scratch at 96 x 48, for a CPU: the demo.

Cost: 5 minutes on two CPU cores (320 people, 3,456 images).

Score: Rank-1 17.5 +- 3.4 in the demo's world, all-search, 80 unseen people,
 three seeds (untrained 1.6, chance 1.3); see benchmarks/demo_*.md.""",
}


def describe(recipe: str) -> str:
    """What a recipe is, what it costs and what it scored."""
    return _DESCRIPTIONS[recipe]
