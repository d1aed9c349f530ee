"""Which images make a training step: P identities, K images of each in each modality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from vireid.types import Modality, Records, VireidError

__all__ = ["BatchRows", "IdentitySampler"]


@dataclass(frozen=True, slots=True)
class BatchRows:
    """Rows of one step; entry i of both modalities shows the same person, ``labels[i]``."""

    visible: Int64[np.ndarray, " b"]
    infrared: Int64[np.ndarray, " b"]
    labels: Int64[np.ndarray, " b"]


class IdentitySampler:
    """Draw P identities and K visible and K infrared images of each, as a function of (seed, epoch, step) alone.

    Processes that train together draw the same step and take an equal part of its identities each, so that a step is
    the same step whatever their number. An epoch has ``max(visible images, infrared images) // (P K)`` steps, at least
    one, as in the released code. Labels number the identities in ascending order. Identities seen in one modality only
    cannot be drawn: see ``skipped``.

    Args:
        records: the table; only the ``train`` split is drawn from.
        identities: P, of a step, over all processes.
        images: K, of an identity and a modality.
        seed: any non-negative integer.
        rank, processes: which part of a step `batch` gives, and of how many.

    Raises:
        VireidError: fewer than P identities with both modalities, identities that the processes cannot share evenly, or
            an argument out of range.

    Deviation: the released code always draws with replacement; here only an identity with fewer than K images is.
    """

    def __init__(
        self, records: Records, *, identities: int, images: int, seed: int, rank: int = 0, processes: int = 1
    ) -> None:
        if identities < 2 or images < 1 or seed < 0:
            raise VireidError(
                "a step needs at least 2 identities, at least 1 image of each and a seed of at least 0, got "
                f"{identities} identities, {images} images, seed {seed}"
            )
        if not 0 <= rank < processes or identities % processes:
            raise VireidError(
                f"the identities of a step are shared evenly by the processes, but {identities} identities cannot be "
                f"shared by {processes} (this one is number {rank}); take a multiple of {processes}"
            )
        visible = records.rows(modality=Modality.VISIBLE, splits=["train"])
        infrared = records.rows(modality=Modality.INFRARED, splits=["train"])
        everyone = np.union1d(records.persons[visible], records.persons[infrared])
        self.persons = np.intersect1d(records.persons[visible], records.persons[infrared])
        self.skipped = np.setdiff1d(everyone, self.persons)
        if len(self.persons) < identities:
            raise VireidError(
                f"a step needs {identities} identities with images in both modalities, but the train split of "
                f"{records.root} has {len(self.persons)} (and {len(self.skipped)} with one modality only); "
                "use fewer identities a step or more data"
            )
        self.identities, self.images, self.seed = identities, images, seed
        share = identities // processes * images
        self._part = slice(rank * share, (rank + 1) * share)
        self._visible = _rows_of(self.persons, records, visible)
        self._infrared = _rows_of(self.persons, records, infrared)
        larger = max(sum(map(len, self._visible)), sum(map(len, self._infrared)))
        self.steps = max(1, larger // (identities * images))

    def batch(self, epoch: int, step: int) -> BatchRows:
        """The rows of one step; the same for the same (seed, epoch, step), whatever came before."""
        random = np.random.default_rng([self.seed, epoch, step])
        labels = random.choice(len(self.persons), self.identities, replace=False)
        visible = np.concatenate([self._draw(random, self._visible[label]) for label in labels])
        infrared = np.concatenate([self._draw(random, self._infrared[label]) for label in labels])
        everyone = np.repeat(labels, self.images).astype(np.int64)
        return BatchRows(visible=visible[self._part], infrared=infrared[self._part], labels=everyone[self._part])

    def _draw(self, random: np.random.Generator, rows: Int64[np.ndarray, " n"]) -> Int64[np.ndarray, " k"]:
        return random.choice(rows, self.images, replace=len(rows) < self.images)


def _rows_of(
    persons: Int64[np.ndarray, " p"], records: Records, rows: Int64[np.ndarray, " n"]
) -> list[Int64[np.ndarray, " k"]]:
    """Those of ``rows`` that show each person, in order."""
    rows = rows[np.isin(records.persons[rows], persons)]
    rows = rows[np.argsort(records.persons[rows], kind="stable")]
    return np.split(rows, np.searchsorted(records.persons[rows], persons[1:]))
