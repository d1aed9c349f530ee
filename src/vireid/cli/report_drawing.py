"""What all figures of a report are drawn from, and how each is kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Int64

from vireid.cli.report_results import name_protocol
from vireid.cli.report_runs import Data, MeasuredNetwork
from vireid.data import load_image
from vireid.figures import QueryOutcomes, pick_persons, query_outcomes, save_figure
from vireid.figures.alb_attention import AlbAttention, alb_attention
from vireid.figures.report import Picture
from vireid.types import Modality, Records

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Drawing", "caption", "image_pairs", "keep", "spread"]

ATTENDED = 2
"""People whose images are looked at by each ALB: 95 images to embed for each of them."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Drawing:
    """What is drawn, and where to.

    Attributes:
        folder: of the pictures.
        data: the test side.
        networks: from what it is compared with to the reported one, which is last.
        seed: of who is pictured.
    """

    folder: Path
    data: Data
    networks: Sequence[MeasuredNetwork]
    seed: int

    @property
    def reported(self) -> MeasuredNetwork:
        """The network that the report is of."""
        return self.networks[-1]

    @property
    def protocol(self) -> str:
        """The protocol that everything is measured by, in a line."""
        return name_protocol(self.reported.result.protocol)

    @property
    def notes(self) -> str:
        """What a caption must say where all networks are drawn, a space before it."""
        return "".join(f" {each.note}" for each in self.networks if each.note)

    @cached_property
    def outcomes(self) -> dict[str, QueryOutcomes]:
        """What became of each network's queries in every trial, by its label."""
        plan = self.data.plan
        return {each.label: query_outcomes(plan.records, each.embeddings, plan.trials) for each in self.networks}

    @cached_property
    def attentions(self) -> dict[int, list[AlbAttention]]:
        """What each ALB of the reported network does, by row: for some people an image of each modality.

        Raises:
            VireidError: nobody was seen by both modalities.
        """
        records, network = self.data.plan.records, self.reported.network
        rows = [row for pair in image_pairs(records, ATTENDED, self.seed) for row in pair]
        return {row: alb_attention(network, load_image(records.file(row)), records[row].modality) for row in rows}


def keep(figure: Figure, folder: Path, name: str, *, alt: str, caption: str, photographs: bool = False) -> Picture:
    """Write a figure as PNG and SVG.

    Raises:
        VireidError: it cannot be written.
    """
    png, svg = save_figure(figure, folder, name)
    return Picture(png=png, svg=svg, alt=alt, caption=caption, photographs=photographs)


def image_pairs(records: Records, count: int, seed: int) -> list[tuple[int, int]]:
    """Rows of a visible and an infrared image of some people; the seed draws people and images.

    Raises:
        VireidError: nobody was seen by both modalities.
    """
    generator = np.random.default_rng(seed)
    persons = pick_persons(records.persons, records.infrared, count, seed).tolist()
    choices = [[records.rows(modality=modality, persons=[one]) for modality in Modality] for one in persons]
    return [(int(generator.choice(visible)), int(generator.choice(infrared))) for visible, infrared in choices]


def caption(records: Records, row: int) -> str:
    """Two lines: who, and by which camera."""
    record = records[row]
    return (
        f"{records.person_names.get(record.person, record.person)}\n"
        f"{record.modality.value}, cam {records.camera_names.get(record.camera, record.camera)}"
    )


def spread(rows: Int64[np.ndarray, " n"], count: int, seed: int) -> Int64[np.ndarray, " k"]:
    """Some of the rows at equal steps, from a first one that the seed draws; all where there are no more.

    >>> spread(np.arange(100), 4, seed=0).tolist()
    [15, 40, 65, 90]
    """
    if len(rows) <= count:
        return rows
    step = len(rows) / count
    first = np.random.default_rng(seed).random() * step
    return rows[np.floor(first + step * np.arange(count)).astype(np.int64)]
