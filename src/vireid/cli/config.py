"""What can be set from the command line: frozen values that the parser is made from and that a run keeps.

Nothing here imports torch, so that ``--help`` is quick. The rest of the library takes plain keywords, never these.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import FlagCreatePairsOff, Positional, Suppress, arg

from vireid.cli.recipe_config import RecipeConfig

__all__ = [
    "DemoConfig",
    "DoctorConfig",
    "EmbedConfig",
    "EvaluateConfig",
    "FilterConfig",
    "ImportConfig",
    "SearchConfig",
    "SweepConfig",
    "SweepName",
    "SynthConfig",
    "TableConfig",
    "TrainConfig",
]

DatasetName = Literal["sysu", "regdb", "llcm", "folder"]
SweepName = Literal["table4", "fig5", "fig6", "fig7", "questions", "methods", "mimb"]
LightName = Literal["visible", "infrared"]
LightOrAuto = Literal["auto", "visible", "infrared"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
EmbeddingPrecision = Literal["auto", "32", "bf16", "16"]

# How the help calls a value, without "(default: None)" where None means that the flag is not given.
Flag = FlagCreatePairsOff[Annotated[bool, arg(help_behavior_hint="")]]
Root = Annotated[Path, arg(metavar="ROOT")]
Out = Annotated[Path, arg(metavar="OUT")]
Run = Annotated[Path, arg(metavar="RUN")]
OptionalRun = Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="")]
OptionalFile = Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")]
OptionalInt = Annotated[int | None, arg(metavar="INT", help_behavior_hint="")]
OptionalFolder = Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="")]
OptionalTime = Annotated[str | None, arg(metavar="TIME", help_behavior_hint="")]
Place = Annotated[str, arg(metavar="DIR|URL")]


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A recipe, its data and where the run goes."""

    root: Root
    """Folder of the data set."""
    out: Out
    """Run directory, made if it is not there."""
    recipe: Annotated[RecipeConfig, arg(name="")]
    name: Suppress[str] = "mscmnet"
    """What the run calls its recipe."""
    dataset: DatasetName = "sysu"
    """What the folder holds."""
    trial: int = 1
    """Which of RegDB's ten splits to train on."""
    seed: int = 0
    """Of initial weights, sampling and augmentation."""
    resume: Flag = False
    """Continue the run in OUT from its last whole epoch."""
    select: Literal["last", "best-on-test"] = "last"
    """Which epoch's weights to keep; best-on-test picks by Rank-1 on the TEST people, and every result says so."""
    part_maps: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: ROOT/parts)")] = None
    """Part maps, for a recipe with a parsing loss: FOLDER/<path of the image>.png; an image may be without one."""
    cache: OptionalFolder = None
    """Keep decoded images there (7.6 GB for 34,167 of 384 x 192) and train from these; results do not depend on it."""
    accelerator: Accelerator = "auto"
    """Where to train."""
    workers: int = 0
    """Processes that decode images ahead; results do not depend on it."""
    loss_batch: Literal["global", "local"] = "global"
    """Under torchrun or srun, over whose rows the losses go: those of all processes, or each over its own."""
    sync_batchnorm: Flag = False
    """Under torchrun or srun, let BatchNorm see the rows of all processes (GPUs only)."""
    compile_network: Flag = False
    """Compile the network first: minutes of waiting, then quicker steps; losses differ in the last digits."""


@dataclass(frozen=True, kw_only=True)
class SweepConfig:
    """A named grid of trainings, each scored."""

    name: Positional[Annotated[SweepName, arg(metavar="NAME")]]
    """Which grid: table4, fig5, fig6, fig7, questions, methods or mimb."""
    root: Root
    """Folder of the data set."""
    out: Annotated[Path, arg(metavar="DIR")]
    """Folder of the sweep; finished cells in it are not done again, interrupted ones go on."""
    dataset: DatasetName = "sysu"
    """What the folder holds."""
    trial: int = 1
    """Which of RegDB's ten splits."""
    small: Flag = False
    """The recipes' small forms, for a CPU."""
    epochs: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: the recipe's)")] = None
    """Length of every training; milestones and warm-up are scaled with it."""
    seeds: int = 1
    """Train each cell with the seeds 0 to SEEDS - 1."""
    weights: Annotated[str | None, arg(metavar="STR", help_behavior_hint="(default: the recipe's)")] = None
    """Where the backbones start, as --network.weights of vireid train."""
    part_maps: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: ROOT/parts)")] = None
    """Part maps, for cells with a parsing loss."""
    cache: OptionalFolder = None
    """Keep decoded images there for all trainings of the sweep, as --cache of vireid train."""
    jobs: int = 1
    """Trainings at a time, each in a process of its own; with several GPUs each gets one."""
    submit: Literal["here", "slurm", "local"] = "here"
    """Who runs them: this machine, Slurm, or submitit's stand-in for a scheduler on this machine."""
    submit_options: Annotated[tuple[str, ...], arg(metavar="KEY=VALUE", help_behavior_hint="")] = ()
    """What a job asks for: partition, time (minutes), gpus, cpus, memory (GB), or any other option of sbatch."""
    accelerator: Accelerator = "auto"
    """Where to train."""
    workers: int = 0
    """Processes of each training that decode images ahead."""


@dataclass(frozen=True, kw_only=True)
class SynthConfig:
    """A made world."""

    out: Positional[Out]
    """Folder to make; it must not hold files."""
    dataset: DatasetName = "sysu"
    """Whose layout to write."""
    persons: int = 100
    """People in the world."""
    images_per_camera: int = 8
    """Images of each person in each camera that sees them."""
    height: int = 384
    """Of an image, in pixels."""
    width: int = 192
    """Of an image, in pixels."""
    seed: int = 0
    """The whole world is a function of it."""
    test_fraction: Annotated[
        float | None, arg(metavar="FLOAT", help_behavior_hint="(default: a half for RegDB, a third else)")
    ] = None
    """Share of the people that the test is on."""
    part_maps: Flag = False
    """Write a part map beside each image: background, head, upper, lower, arms, feet, bag."""
    workers: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: all cores)")] = None
    """Processes that draw. The files do not depend on it."""


@dataclass(frozen=True, kw_only=True)
class DoctorConfig:
    """A check of a data set on disk."""

    root: Positional[Annotated[Path | None, arg(metavar="ROOT", help_behavior_hint="")]] = None
    """Folder of the data set."""
    dataset: DatasetName
    """What the folder should hold."""
    trial: int = 1
    """Which of RegDB's ten splits to check."""
    quick: Flag = False
    """Leave the pixels alone: check layout and splits only."""
    list_bad: Flag = False
    """Print the paths of unreadable images alone, one a line."""
    how_to_obtain: Flag = False
    """Print how to obtain the data set and stop."""


@dataclass(frozen=True, kw_only=True)
class ImportConfig:
    """A published checkpoint."""

    file: Positional[Annotated[Path, arg(metavar="FILE")]]
    """The file that the authors published."""
    out: Positional[Out]
    """Run directory to make."""
    kind: Annotated[Literal["mscmnet", "agw", "caj", "deen"], arg(name="from", metavar="KIND")]
    """Whose network is in it: mscmnet, agw, caj or deen."""
    height: OptionalInt = None
    """Of the images that it was trained on, in pixels, where that is not the published size."""
    width: OptionalInt = None
    """Of the images that it was trained on, in pixels."""
    dataset: Annotated[
        Literal["sysu", "regdb", "llcm"] | None, arg(metavar="{sysu,regdb,llcm}", help_behavior_hint="")
    ] = None
    """What it was trained on, where that is known."""
    trial: OptionalInt = None
    """RegDB: the trial that it was trained on; it is scored on no other."""


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """A score by the exact protocol of a data set."""

    dataset: DatasetName
    """Whose protocol."""
    root: Root
    """Folder of the data set; with --features its split files are enough."""
    checkpoint: OptionalRun = None
    """A run directory, weights file or export to embed the images with."""
    features: Annotated[Path | None, arg(metavar="F.npz", help_behavior_hint="")] = None
    """An .npz with 'features' (n x d) and 'paths' (relative to ROOT) from anywhere."""
    mode: Literal["all", "indoor"] = "all"
    """SYSU-MM01: gallery from cameras 1, 2, 4, 5 or from 1, 2."""
    shots: int = 1
    """SYSU-MM01: gallery images of each person and camera; 1 and 10 are usual, more than 1 with --draw official."""
    draw: Literal["official", "seeded"] = "seeded"
    """SYSU-MM01: 'seeded' as nearly all published code draws, or 'official' from exp/rand_perm_cam.mat."""
    direction: Literal["v2i", "i2v"] = "i2v"
    """Modality of the query, then of the gallery. SYSU-MM01 knows i2v only."""
    evaluator: Literal["llcm", "llcm-swapped", "llcm-full"] = "llcm"
    """LLCM: which of the evaluators in circulation; the papers' tables use 'llcm'."""
    trial: int = 1
    """RegDB: which of its ten splits; a run is tested on its own only."""
    trials: int = 10
    """SYSU-MM01 and LLCM: galleries to draw and average over."""
    rerank: Flag = False
    """Re-rank by k-reciprocal neighbours; never compare such numbers with plain ones."""
    feature: Literal["bn", "pool"] = "bn"
    """With --checkpoint: the feature after or before the BatchNorm."""
    mirror: Flag = False
    """With --checkpoint: average image and mirror image, as CAJ's published numbers do; the result says so."""
    precision: EmbeddingPrecision = "auto"
    """With --checkpoint: what the network computes in; auto is bf16 on CUDA GPUs (16 on old ones), 32 elsewhere."""
    batch_size: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: by device)")] = None
    """With --checkpoint: images at a time."""
    cache: OptionalFolder = None
    """With --checkpoint: read decoded images there, and keep them there; results do not depend on it."""
    json: OptionalFile = None
    """Write protocol, every trial, mean and spread there."""
    accelerator: Accelerator = "auto"
    """Where to embed."""
    score_accelerator: Accelerator = "cpu"
    """Where to score; re-ranking is done on the CPU."""
    score_memory: int = 512
    """MiB of work space for scoring, beside the features; re-ranking does not keep to it."""
    workers: int = 0
    """Processes that decode images ahead."""


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Published numbers and ours."""

    runs: Positional[Annotated[tuple[Path, ...], arg(metavar="[RUN|RESULT.json ...]", help_behavior_hint="")]] = ()
    """Runs that vireid evaluate has scored, or what its --json wrote; none shows the published rows alone."""
    dataset: Annotated[
        Literal["sysu", "regdb", "llcm"] | None, arg(metavar="{sysu,regdb,llcm}", help_behavior_hint="")
    ] = None
    """Whose tables; left out, those that there are results of, or sysu."""
    setting: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]", help_behavior_hint="")] = ()
    """Which tables, such as all-search or visible-to-infrared; left out, those that there are results of, or the usual
    ones: of regdb and llcm both directions."""
    method: Annotated[tuple[str, ...], arg(metavar="NAME [NAME ...]", help_behavior_hint="")] = ()
    """Of the published rows only these."""
    format: Literal["markdown", "latex", "csv"] = "markdown"
    """What to print; LaTeX needs the package booktabs."""
    sort: Literal["year", "rank1", "map"] = "year"
    """The order within a group: oldest first, or highest first."""
    separate: Flag = False
    """A row for each run, where runs that differ in seed or RegDB's trial alone would be averaged."""
    out: OptionalFile = None
    """Write there instead."""


@dataclass(frozen=True, kw_only=True)
class EmbedConfig:
    """Vectors of images."""

    checkpoint: Run
    """A run directory, weights file or export."""
    root: Root
    """Folder of the data set, or any folder of images with --modality."""
    out: Annotated[Path, arg(metavar="F.npz")]
    """The .npz to write: 'features' (n x d, length 1) and 'paths' (relative to ROOT)."""
    dataset: Annotated[DatasetName | None, arg(metavar="{sysu,regdb,llcm,folder}", help_behavior_hint="")] = None
    """What the folder holds; left out, --modality must be given and every image below ROOT is embedded."""
    modality: Annotated[LightName | None, arg(metavar="{visible,infrared}", help_behavior_hint="")] = None
    """Of all images of a plain folder."""
    split: Literal["test", "train", "all"] = "test"
    """Which side of a data set."""
    trial: int = 1
    """RegDB: which of its ten splits."""
    feature: Literal["bn", "pool"] = "bn"
    """The feature after or before the BatchNorm."""
    precision: EmbeddingPrecision = "auto"
    """What the network computes in; auto is bf16 on CUDA GPUs (16 on old ones), 32 elsewhere."""
    batch_size: Annotated[int | None, arg(metavar="INT", help_behavior_hint="(default: by device)")] = None
    """Images at a time."""
    cache: OptionalFolder = None
    """Read decoded images there, and keep them there; results do not depend on it."""
    accelerator: Accelerator = "auto"
    """Where to embed."""
    workers: int = 0
    """Processes that decode images ahead."""


@dataclass(frozen=True, kw_only=True)
class FilterConfig:
    """Which sightings of a gallery; within one flag any of the values."""

    cameras: Annotated[tuple[str, ...], arg(name="camera", metavar="NAME [NAME ...]", help_behavior_hint="")] = ()
    """Seen by one of these cameras."""
    tracks: Annotated[tuple[str, ...], arg(name="track", metavar="NAME [NAME ...]", help_behavior_hint="")] = ()
    """Of one of these tracks."""
    persons: Annotated[tuple[str, ...], arg(name="person", metavar="NAME [NAME ...]", help_behavior_hint="")] = ()
    """Of one of these named people."""
    tags: Annotated[tuple[str, ...], arg(name="tag", metavar="TAG [TAG ...]", help_behavior_hint="")] = ()
    """With one of these tags."""
    since: OptionalTime = None
    """At this time or later, ISO 8601 with a zone: 2026-11-21T08:00+01:00."""
    until: OptionalTime = None
    """Before this time."""


@dataclass(frozen=True, kw_only=True)
class SearchConfig:
    """The nearest gallery images of some queries."""

    checkpoint: Run
    """A run directory, weights file or export."""
    queries: Annotated[tuple[Path, ...], arg(metavar="PATH [PATH ...]")]
    """Images, or folders of images."""
    gallery: Annotated[str, arg(metavar="GALLERY|FOLDER|F.npz")]
    """A gallery (vireid index; its folder or URL), a folder of images, or an .npz of vireid embed."""
    modality: Annotated[
        LightOrAuto | None,
        arg(metavar="{auto,visible,infrared}", help_behavior_hint="(default: auto in a gallery, else infrared)"),
    ] = None
    """Of the queries; auto finds it from the pixels: an image whose channels agree is infrared."""
    gallery_modality: Annotated[
        Literal["visible", "infrared", "any"] | None,
        arg(
            metavar="{visible,infrared,any}",
            help_behavior_hint="(default: in a gallery the other than the query's, else visible)",
        ),
    ] = None
    """What to find in a gallery, or what the images of a folder are."""
    wanted: Annotated[FilterConfig, arg(name="")] = FilterConfig()
    by_track: Flag = False
    """In a gallery: the best sighting of each track only."""
    fuse: Flag = False
    """In a gallery: all queries show one person; search once, with their mean."""
    gallery_root: OptionalFolder = None
    """For --picture: the folder that paths of an .npz, or relative ones of a gallery, start from."""
    top: int = 10
    """Results of each query."""
    json: OptionalFile = None
    """Write the results there."""
    picture: OptionalFile = None
    """Draw the results of the first 100 queries there (.png or .jpg)."""
    accelerator: Accelerator = "auto"
    """Where to embed."""
    workers: int = 0
    """Processes that decode images ahead."""


@dataclass(frozen=True, kw_only=True)
class DemoConfig:
    """The whole thing on a made world."""

    out: Out = Path("demo")
    """Folder for the world, the run and the results; finished stages in it are not done again."""
    seed: int = 0
    """Of the world and the training."""
