"""Who is taken for whom most often, and what it looks like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from vireid.data import load_image
from vireid.figures import style
from vireid.figures.outcomes import QueryOutcomes
from vireid.types import Records, VireidError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Confusion", "draw_confusions", "hardest_confusions"]

_HEIGHT = 160
_ACROSS = 5
_WIDTH, _TALLEST, _TEXT = 10.2, 3.0, 18.0
"""Of an image in millimetres, of its height in widths, and what the words of a case take in height."""


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """One identity taken for another, with its plainest case. Rows are those of the table of records.

    Attributes:
        query_row: the query of the case.
        wrong_row: the image of another person that came first.
        right_row: the right person's best image.
        query_person: identity of the query.
        wrong_person: identity that it was taken for.
        share: of all searches for the identity, in all trials, those with the wrong person first; 0 to 1.
        searches: how many searches for the identity there were.
        score: similarity of the query and the wrong image.
        right_score: similarity of the query and the right person's best image.
    """

    query_row: int
    wrong_row: int
    right_row: int
    query_person: int
    wrong_person: int
    share: float
    searches: int
    score: float
    right_score: float


def hardest_confusions(outcomes: QueryOutcomes, records: Records, count: int = 10) -> list[Confusion]:
    """The pairs of identities that are confused in the largest share of the searches for the first of them.

    Of equal shares, the pair with more searches stands first, then the one with the higher score. The case shown is the
    search whose wrong image scores highest. Images that nobody has named confuse with no identity and are left out.

    Args:
        outcomes: see `vireid.figures.query_outcomes`.
        records: the table that they were made from.
        count: pairs at most; fewer where there are fewer.

    Raises:
        VireidError: fewer than 1 pair asked for.
    """
    if count < 1:
        raise VireidError(f"the number of confusions must be 1 or more, got {count}")
    persons = records.persons[outcomes.rows]
    wrong = np.flatnonzero(outcomes.wrong_persons >= 0)
    known, searches = np.unique(persons, return_counts=True)
    pairs, pair = np.unique(
        np.stack([persons[wrong], outcomes.wrong_persons[wrong]], axis=1), axis=0, return_inverse=True
    )
    pair = pair.reshape(-1)
    mistakes = np.bincount(pair, minlength=len(pairs))
    made = searches[np.searchsorted(known, pairs[:, 0])]
    # The last entry of each pair is the search with the highest score; of equal ones, the first search.
    order = np.lexsort((-wrong, outcomes.scores[wrong], pair))
    case = wrong[order[np.cumsum(mistakes) - 1]]
    best = np.lexsort((-outcomes.scores[case], -made, -mistakes / np.maximum(made, 1)))[:count]
    return [
        Confusion(
            query_row=int(outcomes.rows[case[number]]),
            wrong_row=int(outcomes.found_rows[case[number]]),
            right_row=int(outcomes.right_rows[case[number]]),
            query_person=int(pairs[number, 0]),
            wrong_person=int(pairs[number, 1]),
            share=float(mistakes[number] / made[number]),
            searches=int(made[number]),
            score=float(outcomes.scores[case[number]]),
            right_score=float(outcomes.right_scores[case[number]]),
        )
        for number in best
    ]


@style.look()
def draw_confusions(confusions: Sequence[Confusion], records: Records) -> Figure:
    """Three images a case: the query, the wrong image that came first, the right person's best image.

    Args:
        confusions: see `hardest_confusions`.
        records: the table that their rows are of.

    Raises:
        VireidError: no confusion, an image that cannot be read, or Matplotlib is not installed.
    """
    if not confusions:
        raise VireidError("there is no confusion to draw: every query found its own person first")
    across = min(_ACROSS, len(confusions))
    down = -(-len(confusions) // across)
    images = [[_small(records, row) for row in (one.query_row, one.wrong_row, one.right_row)] for one in confusions]
    tallest = min(max(image.shape[0] / image.shape[1] for three in images for image in three), _TALLEST)
    figure = style.new_figure(style.DOUBLE * max(across, 2) / _ACROSS, (_TEXT + tallest * _WIDTH) * down)
    cells = figure.subfigures(down, across, squeeze=False)
    for cell, confusion, three in zip(cells.flat, confusions, images):
        name, wrong_name = _name(records, confusion.query_person), _name(records, confusion.wrong_person)
        mistakes = round(confusion.share * confusion.searches)
        cell.suptitle(f"{name} taken for {wrong_name}\n{mistakes} of {confusion.searches} searches", fontsize=7)
        columns = cell.subplots(1, 3)
        tiles = (
            (confusion.query_row, "query", style.FAINT, "-", ""),
            (confusion.wrong_row, "first", style.COLOURS[2], (0, (3, 1)), f"{confusion.score:.2f}"),
            (confusion.right_row, "right", style.COLOURS[0], "-", f"{confusion.right_score:.2f}"),
        )
        for axes, image, (row, role, edge, line, score) in zip(columns, three, tiles):
            axes.imshow(image, aspect="equal")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(True)
            axes.spines[:].set(color=edge, linewidth=1.4, linestyle=line, capstyle="butt")
            axes.set_anchor("N")
            camera = int(records.cameras[row])
            axes.set_title(role, fontsize=6.5, pad=2)
            camera_name = style.shorten_to_letters(records.camera_names.get(camera, str(camera)), 6)
            axes.set_xlabel(f"cam {camera_name}\n{score}", fontsize=6.5, labelpad=2)
    return figure


def _name(records: Records, person: int) -> str:
    return style.shorten_to_letters(records.person_names.get(person, str(person)), 9)


def _small(records: Records, row: int) -> np.ndarray:
    image = Image.fromarray(load_image(records.file(row)))
    image.thumbnail((_HEIGHT, _HEIGHT), Image.Resampling.LANCZOS)
    return np.asarray(image)
