"""Streams: which modality is seen through which view by which stem. QFE is four of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from vireid.types import Modality, VireidError

__all__ = ["DUAL_STREAMS", "QUADRUPLE_STREAMS", "SHARED_STREAMS", "TRIPLE_STREAMS", "Stream", "stems_of"]


@dataclass(frozen=True, slots=True)
class Stream:
    """One way that images take into the trunk.

    Attributes:
        modality: whose images.
        view: name of the augmentation that they pass in training.
        stem: name of the first layers that see them; streams of one name share their weights.
    """

    modality: Modality
    view: str
    stem: str


QUADRUPLE_STREAMS = (
    Stream(Modality.VISIBLE, "visible_global", "visible_global"),
    Stream(Modality.VISIBLE, "visible_channel", "visible_channel"),
    Stream(Modality.INFRARED, "infrared_global", "infrared_global"),
    Stream(Modality.INFRARED, "infrared_channel", "infrared_channel"),
)
"""MSCMNet's quadruple-stream feature extractor (QFE; section III-B, eq. 1 and 2): Vg, Vc, Tg, Tc, four stems."""

DUAL_STREAMS = (
    Stream(Modality.VISIBLE, "visible_global", "visible"),
    Stream(Modality.INFRARED, "infrared_global", "infrared"),
)
"""One view and one stem for each modality: the field's usual baseline."""

TRIPLE_STREAMS = (
    Stream(Modality.VISIBLE, "visible_global", "visible"),
    Stream(Modality.VISIBLE, "visible_channel", "visible"),
    Stream(Modality.INFRARED, "infrared_global", "infrared"),
)
"""CAJ's three views through two stems: the visible image a second time with its channels exchanged."""

SHARED_STREAMS = (
    Stream(Modality.VISIBLE, "visible_global", "visible"),
    Stream(Modality.VISIBLE, "visible_channel", "visible"),
    Stream(Modality.INFRARED, "infrared_global", "infrared"),
    Stream(Modality.INFRARED, "infrared_channel", "infrared"),
)
"""QFE's four views through one stem a modality: what is left of QFE when its stems share their weights."""


def stems_of(streams: Sequence[Stream], modality: Modality) -> tuple[str, ...]:
    """Names of the stems that see a modality, in stream order, each once.

    Raises:
        VireidError: no stream sees it.

    >>> stems_of(QUADRUPLE_STREAMS, Modality.INFRARED)
    ('infrared_global', 'infrared_channel')
    """
    stems = tuple(dict.fromkeys(stream.stem for stream in streams if stream.modality is modality))
    if not stems:
        raise VireidError(f"every modality needs a stream, but none of {len(streams)} sees {modality.value} images")
    return stems
