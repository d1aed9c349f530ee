"""What the commands on galleries and the service are told; their flags are made of these."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from vireid.cli.config import (
    Accelerator,
    DatasetName,
    EmbeddingPrecision,
    FilterConfig,
    Flag,
    LightName,
    LightOrAuto,
    OptionalFile,
    OptionalFolder,
    Place,
    Run,
)

__all__ = [
    "GalleryCompactConfig",
    "GalleryDeleteConfig",
    "GalleryExportConfig",
    "GalleryInfoConfig",
    "IndexConfig",
    "ServeConfig",
    "TokenConfig",
]


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """A gallery over HTTP, with a page."""

    gallery: Annotated[str | None, arg(metavar="DIR|URL", help_behavior_hint="(required without --demo)")] = None
    """Folder of a gallery, or http://host:6333/name on a Qdrant server."""
    checkpoint: Annotated[Path | None, arg(metavar="RUN", help_behavior_hint="(required without --demo)")] = None
    """Run directory, weights file or export of the gallery's model."""
    demo: Flag = False
    """Serve what vireid demo left in the folder demo: its gallery, run and images."""
    tokens: OptionalFile = None
    """Who may do what, made by vireid token; left out, a token is made for this start, on this machine only."""
    host: str = "127.0.0.1"
    """Address to listen on; one that other machines reach takes --tokens."""
    port: int = 8000
    """0 takes any that is free."""
    images: OptionalFolder = None
    """Show the images of indexed sightings that lie below it."""
    home: Annotated[Path | None, arg(metavar="FOLDER", help_behavior_hint="(default: the gallery's folder)")] = None
    """Where the audit log and uploaded images are kept."""
    keep_days: Annotated[float | None, arg(metavar="DAYS", help_behavior_hint="")] = None
    """Delete sightings that are older, at the start and every hour."""
    forget_images: Flag = False
    """Keep no uploaded images, only their features."""
    max_upload: float = 10.0
    """MB (2^20 bytes) of one image; a request may have four times as many."""
    create: Flag = False
    """Make the gallery where there is none."""
    proxy: Annotated[str | None, arg(metavar="ADDRESS", help_behavior_hint="")] = None
    """A reverse proxy whose X-Forwarded-For is believed, for the addresses in the audit log."""
    accelerator: Accelerator = "auto"
    """Where to embed."""


@dataclass(frozen=True, kw_only=True)
class TokenConfig:
    """A token for vireid serve."""

    name: Positional[Annotated[str, arg(metavar="NAME")]]
    """Whose token it is, as the audit log will call them."""
    tokens: Annotated[Path, arg(metavar="FILE")]
    """The token file, made where it is not there; it holds hashes only."""
    role: Literal["reader", "operator", "admin"] = "reader"
    """reader searches, operator also adds and deletes, admin also reads the audit log."""


@dataclass(frozen=True, kw_only=True)
class IndexConfig:
    """Images into a gallery."""

    images: Positional[Annotated[Path, arg(metavar="IMAGES")]]
    """Folder of crops, root of a data set, or a manifest (.csv or .parquet)."""
    checkpoint: Run
    """A run directory, weights file or export."""
    gallery: Place
    """Folder of the gallery, made if it is not there, or http://host:6333/name on a Qdrant server."""
    dataset: Annotated[DatasetName | None, arg(metavar="{sysu,regdb,llcm,folder}", help_behavior_hint="")] = None
    """What IMAGES holds: camera, person, modality, track and time are as the data set says."""
    split: Literal["all", "test", "train"] = "all"
    """With --dataset: which side."""
    trial: int = 1
    """With --dataset regdb: which of its ten splits."""
    modality: LightOrAuto = "auto"
    """Of the crops; auto finds it from the pixels: an image whose channels agree is infrared."""
    levels: Annotated[
        tuple[Literal["camera", "track", "person", "-"], ...],
        arg(metavar="LEVEL [LEVEL ...]", help_behavior_hint="(default: camera)"),
    ] = ("camera",)
    """What the folders below IMAGES are named after, outermost first: camera, track, person, or - for nothing."""
    camera: Annotated[str | None, arg(metavar="NAME", help_behavior_hint="")] = None
    """Of all crops, whatever their folders are called."""
    time_from: Literal["name", "mtime", "none"] = "name"
    """ISO 8601 time in the file's name; mtime: else its last change; none: no time."""
    time_zone: str = "UTC"
    """Of times in names that name no zone: Europe/Berlin."""
    tags: Annotated[tuple[str, ...], arg(name="tag", metavar="TAG [TAG ...]", help_behavior_hint="")] = ()
    """Words that all of these sightings get."""
    rebuild: Flag = False
    """Fill the gallery anew for another checkpoint; the old content is valid until all is done, then gone."""
    precision: EmbeddingPrecision = "auto"
    """What the network computes in; auto is bf16 on CUDA GPUs (16 on old ones), 32 elsewhere."""
    accelerator: Accelerator = "auto"
    """Where to embed."""


@dataclass(frozen=True, kw_only=True)
class GalleryInfoConfig:
    """Which gallery."""

    gallery: Positional[Place]
    """Its folder or URL."""


@dataclass(frozen=True, kw_only=True)
class GalleryCompactConfig:
    """Which gallery."""

    gallery: Positional[Place]
    """Its folder or URL."""


@dataclass(frozen=True, kw_only=True)
class GalleryDeleteConfig:
    """Which sightings of which gallery; all conditions that are given must hold."""

    gallery: Positional[Place]
    """Its folder or URL."""
    wanted: Annotated[FilterConfig, arg(name="")] = field(default_factory=FilterConfig)
    keys: Annotated[tuple[str, ...], arg(name="key", metavar="KEY [KEY ...]", help_behavior_hint="")] = ()
    """Images with one of these SHA-256."""
    modality: Annotated[LightName | None, arg(metavar="{visible,infrared}", help_behavior_hint="")] = None
    """Of this modality."""
    everything: Flag = False
    """All that the gallery holds; no other condition then."""
    yes: Flag = False
    """Do not ask."""


@dataclass(frozen=True, kw_only=True)
class GalleryExportConfig:
    """Which sightings of which gallery, and where to; all conditions that are given must hold."""

    gallery: Positional[Place]
    """Its folder or URL."""
    out: Annotated[Path, arg(metavar="F.npz")]
    """The .npz of features and paths to write, with a .parquet of the sightings beside it."""
    wanted: Annotated[FilterConfig, arg(name="")] = field(default_factory=FilterConfig)
    modality: Annotated[LightName | None, arg(metavar="{visible,infrared}", help_behavior_hint="")] = None
    """Of this modality."""
