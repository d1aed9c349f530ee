"""What a recipe sets: network, loss, augmentation and optimiser, as frozen values. Nothing here imports torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal

from tyro.conf import arg

__all__ = ["LossConfig", "NetworkConfig", "OptimizerConfig", "RecipeConfig", "ViewsConfig"]


def _unless_none(default: str) -> str:
    return "" if default == "None" else f"(default: {default})"


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """The network; each part can be switched on its own."""

    backbone: str = "resnet50.tv_in1k"
    """Any timm model with four stages."""
    weights: str = "imagenet"
    """Where the backbone starts: 'imagenet', 'none' (random, on purpose), or a .safetensors or .pth file."""
    channels: Annotated[tuple[int, ...] | None, arg(metavar="INT INT INT INT", help_behavior_hint=_unless_none)] = None
    """Widths of the four stages of a ResNet; the model's own where it is left out."""
    stem_width: Annotated[int | None, arg(metavar="INT", help_behavior_hint=_unless_none)] = None
    """Width of the first convolutions of a ResNet with a deep stem, where it differs from the model's own."""
    height: int = 384
    """Of the images that the network sees, in pixels."""
    width: int = 192
    """Of the images that the network sees, in pixels."""
    streams: Literal["quadruple", "shared", "triple", "dual"] = "quadruple"
    """QFE's four views with a stem each; the same views through one stem a modality; CAJ's two visible views and an
    infrared one through two stems; or one view and one stem a modality."""
    last_stride: Literal[1] | None = 1
    """1 keeps the grid of stage 3 in stage 4; None leaves the backbone as it is."""
    nonlocal_blocks: tuple[int, int, int, int] = (0, 2, 3, 0)
    """How many of the last blocks of each stage are followed by a non-local block."""
    nonlocal_channels: Annotated[
        int | None, arg(metavar="INT", help_behavior_hint="(default: half of the stage's)")
    ] = None
    """Inner channels of the non-local blocks; the released code of AGW and CAJ has 1."""
    mimb: bool = True
    """The multi-scale information correlation mining block between stages 3 and 4."""
    mimb_blocks: tuple[int, ...] = (0, 1, 2, 3)
    """For each ALB the scale that it mines: 0 the stem, 3 the third stage."""
    mimb_tokens: int = 256
    """Channels of a map after reduction; each is a token."""
    mimb_heads: int = 32
    """Attention heads; they must divide the positions of the third stage's grid."""
    mimb_mix: float = 0.1
    """The weight alpha of the shallow map in eq. 6."""
    mimb_variant: Literal["paper", "released", "cross-attention"] = "paper"
    """The paper's equations, the released code, or plain cross-attention in place of the ALBs."""
    power: float = 3.0
    """Of the generalised-mean pooling; 1 is the average."""
    aggregation: bool = False
    """DEEN's aggregation: the first three stages take up the level before them, by channel, then by position."""
    expansion_branches: int = 0
    """DEEN's diverse embedding expansion: further embeddings of an image, before stage 4; 2 in the paper."""
    stripes: tuple[int, ...] = ()
    """MSPAC (reconstruction): stripes at each scale, finest first, cascaded into one embedding."""
    parts: int = 0
    """CSCL (reconstruction): parts to predict and pool, the background among them; 7 in the made world."""
    parsing_attention: tuple[int, ...] = ()
    """CSCL (reconstruction): stages, 1 to 4, followed by attention to parts."""


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss: identity loss, one metric loss and what a method adds, weighted."""

    metric: Literal[
        "quadruple-center",
        "weighted-triplet",
        "squared-difference",
        "batch-hard",
        "center-triplet",
        "center",
        "marginal-exponential-center",
        "none",
    ] = "quadruple-center"
    """Which metric loss."""
    variant: Literal["paper", "released"] = "paper"
    """Form of the quadruple-centre loss."""
    margin: float = 0.7
    """rho of eq. 14, or the margin of a triplet."""
    alpha: Annotated[
        float | None,
        arg(metavar="FLOAT", help_behavior_hint="(default: 0.05 in the paper's form, 0 in the released one)"),
    ] = None
    """Of the quadruple-centre loss: eq. 15 in the paper's form, weight of the own-stream term in the released one."""
    identity_weight: float = 1.0
    """Weight of the identity loss."""
    metric_weight: float = 1.0
    """Weight of the metric loss."""
    part_identity_weight: float = 1.0
    """Weight of the parts' mean identity loss, where the network pools parts."""
    center_guided_weight: float = 0.0
    """DEEN: weight of the centre-guided pair loss on each branch; 0.8 in the paper."""
    orthogonality_weight: float = 0.0
    """DEEN: weight of what keeps the branches apart; 0.01 in the paper."""
    parsing_weight: float = 0.0
    """CSCL (reconstruction): weight of predicted against given part maps."""
    division_weight: float = 0.0
    """CSCL (reconstruction): weight of what keeps the parts apart."""
    center_mining_weight: float = 0.0
    """CSCL (reconstruction): weight of the identity-aware centre mining."""


@dataclass(frozen=True, kw_only=True)
class ViewsConfig:
    """The augmentation."""

    style: Literal["mscmnet", "agw", "caj", "deen"] = "mscmnet"
    """Whose augmentation."""
    second_visible: Literal["channel-exchange", "gray", "jitter", "blur", "none"] = "channel-exchange"
    """What makes the second visible view (Fig. 6)."""
    padding: int = 10
    """Pixels of black on each side before the random crop."""
    erasing: float = 0.5
    """Probability that a rectangle of an image is erased."""


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """SGD and its schedule."""

    learning_rate: float = 0.01
    """Of everything but the head."""
    head_learning_rate: float = 0.1
    """Of BNNeck and classifier."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 5e-4
    """Of SGD."""
    nesterov: bool = False
    """Nesterov's form of the momentum."""
    warmup_epochs: int = 0
    """Epochs in which the rates rise to their values."""
    milestones: tuple[int, ...] = (30, 90, 120)
    """Epochs from which on the rates are ten times smaller."""


@dataclass(frozen=True, kw_only=True)
class RecipeConfig:
    """A complete training, but for where the data are."""

    network: NetworkConfig = field(default_factory=NetworkConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    epochs: int = 150
    """Passes of max(visible images, infrared images) // (P K) steps."""
    identities: int = 6
    """P: identities in a step."""
    images: int = 4
    """K: images of an identity and a modality in a step."""
    accumulate: int = 1
    """Batches averaged into one optimiser step; metric loss and BatchNorm see one batch at a time."""
    precision: Literal["32", "bf16", "16"] = "32"
    """Autocast to bf16, or to fp16 with loss scaling (GPU only)."""
