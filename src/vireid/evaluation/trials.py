"""Who is query and who is gallery: each data set's protocol as a list of trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

import numpy as np
from jaxtyping import Int64

from vireid.data import SYSU_INFRARED_CAMERAS, SYSU_VISIBLE_CAMERAS, SysuPermutations
from vireid.evaluation.rules import Rule
from vireid.types import Modality, Records, VireidError

__all__ = [
    "SYSU_GALLERY_CAMERAS",
    "Direction",
    "Draw",
    "LlcmEvaluator",
    "Mode",
    "Trial",
    "folder_trials",
    "llcm_trials",
    "refuse_other_trial",
    "regdb_trials",
    "rows_of",
    "sysu_trials",
]

Mode = Literal["all", "indoor"]
Draw = Literal["official", "seeded"]
Direction = Literal["v2i", "i2v"]
"""Modality of the query, then of the gallery: ``i2v`` looks for an infrared person among visible images."""
LlcmEvaluator = Literal["llcm", "llcm-swapped", "llcm-full"]

SYSU_GALLERY_CAMERAS: dict[str, tuple[int, ...]] = {"all": SYSU_VISIBLE_CAMERAS, "indoor": (1, 2)}


@dataclass(frozen=True, eq=False, kw_only=True)
class Trial:
    """One round of a protocol.

    Attributes:
        number: as the protocol counts: from 1, or for a seeded draw the seed itself, from 0.
        query_rows: rows of the queries in the table of records, ascending.
        gallery_rows: rows of the gallery, in the gallery's own order, which decides between equal scores.
        rule: which gallery images a query may not see, and which CMC counts; see `vireid.evaluation.score`.
    """

    number: int
    query_rows: Int64[np.ndarray, " q"]
    gallery_rows: Int64[np.ndarray, " g"]
    rule: Rule


def rows_of(trials: Sequence[Trial]) -> Int64[np.ndarray, " k"]:
    """Rows of every image that some trials look at, ascending: what has to be embedded for them."""
    return np.unique(np.concatenate([rows for trial in trials for rows in (trial.query_rows, trial.gallery_rows)]))


def sysu_trials(
    records: Records,
    *,
    mode: Mode,
    shots: int = 1,
    draw: Draw = "seeded",
    trials: int = 10,
    permutations: SysuPermutations | None = None,
) -> list[Trial]:
    """Trials of SYSU-MM01: every infrared test image looks for its person among drawn visible ones.

    The gallery holds ``shots`` images of each identity from each camera of the mode where it was seen, in the order of
    identity, camera and draw. In indoor-search every infrared test image still is a query; those whose identity is in
    neither indoor camera have no true match and are dropped from the averages by `score`.

    Args:
        records: with the rows of split ``test``.
        mode: ``all`` (gallery from cameras 1, 2, 4, 5) or ``indoor`` (cameras 1, 2).
        shots: gallery images of each identity and camera; the field uses 1 and 10.
        draw: ``seeded``, one image by Python's ``random.choice`` seeded with 0, 1, .. as nearly all published code
            does; or ``official``, row t of ``rand_perm_cam.mat``, for any number of shots.
        trials: how many, 10 by convention.
        permutations: what `vireid.data.read_sysu_permutations` read; needed by the official draw.

    Raises:
        VireidError: no test images on a side, an official draw without permutations or of more trials or shots than
            they hold, a seeded draw of several shots.

    Reference: Wu et al., "RGB-Infrared Cross-Modality Person Re-Identification", ICCV 2017, section 5.
    """
    _check_counts(trials=trials, shots=shots)
    if mode not in SYSU_GALLERY_CAMERAS:
        raise VireidError(f"the mode of SYSU-MM01 must be 'all' or 'indoor', got {mode!r}")
    query = _side(records, records.rows(splits=["test"], cameras=SYSU_INFRARED_CAMERAS), "infrared test")
    cameras = SYSU_GALLERY_CAMERAS[mode]
    listings = _listings(
        records, _side(records, records.rows(splits=["test"], cameras=cameras), f"visible test ({mode}-search)")
    )
    if draw == "seeded":
        if shots != 1:
            raise VireidError(
                f"the seeded draw takes one image of each identity and camera, but {shots} shots were asked for; use "
                "the official draw (rand_perm_cam.mat)"
            )
        galleries = {seed: _draw_seeded(listings, seed) for seed in range(trials)}
    elif draw == "official":
        if permutations is None:
            raise VireidError(
                "the official draw needs the permutations of exp/rand_perm_cam.mat; read them with "
                "vireid.data.read_sysu_permutations, or use the seeded draw"
            )
        galleries = _draw_official(listings, permutations, shots=shots, trials=trials)
    else:
        raise VireidError(f"the draw of SYSU-MM01 must be 'official' or 'seeded', got {draw!r}")
    return [Trial(number=n, query_rows=query, gallery_rows=rows, rule="sysu") for n, rows in galleries.items()]


def regdb_trials(records: Records, *, direction: Direction, trial: int) -> list[Trial]:
    """The one trial of RegDB that a table holds: all test images of one modality against all of the other.

    Args:
        records: what ``vireid.data.read_regdb(root, trial=trial)`` read.
        direction: ``v2i`` or ``i2v``.
        trial: the number of that trial, 1 to 10.

    Raises:
        VireidError: no test images on a side.

    Reference: Ye et al., "Hierarchical Discriminative Learning for Visible Thermal Person Re-Identification",
        AAAI 2018.
    """
    query, gallery = _sides(records, direction, query_splits=["test"], gallery_splits=["test"])
    return [Trial(number=trial, query_rows=query, gallery_rows=gallery, rule="regdb")]


def refuse_other_trial(trained_trial: int | None, tested_trial: int) -> None:
    """Make sure that a model of one RegDB trial is tested on that trial.

    Args:
        trained_trial: None where the model does not say.
        tested_trial: of the people that it is to be tested on.

    Raises:
        VireidError: the trials differ, so the model has been trained on identities of the test; or it may have been.
    """
    if trained_trial is None:
        raise VireidError(
            "a RegDB model must be tested on the trial it was trained on, but this one does not say which that was, "
            f"so it may have seen the test people of trial {tested_trial}; save it with its trial, or train one on "
            f"trial {tested_trial}"
        )
    if trained_trial != tested_trial:
        raise VireidError(
            f"a RegDB model must be tested on the trial it was trained on, but it was trained on trial {trained_trial} "
            f"and trial {tested_trial} was asked for, whose test people it has seen; test it on trial {trained_trial} "
            f"or train one on trial {tested_trial}"
        )


def llcm_trials(
    records: Records, *, direction: Direction, evaluator: LlcmEvaluator = "llcm", trials: int = 10
) -> list[Trial]:
    """Trials of LLCM under one of the three evaluators in circulation.

    Args:
        records: with the rows of split ``test``.
        direction: ``v2i`` or ``i2v``.
        evaluator: ``llcm``, every image of the query modality against one drawn image of each identity and camera of
            the other, as the papers' tables; ``llcm-swapped``, where in ``v2i`` query and gallery change places once
            more, so that drawn infrared queries face all visible images (``i2v`` is as in ``llcm``); ``llcm-full``,
            the whole other modality as gallery with no camera rule, in one pass. Never mix their numbers.
        trials: how many draws, 10 by convention; ``llcm-full`` draws nothing and always is one trial.

    Raises:
        VireidError: no test images on a side, or an unknown evaluator.

    Reference: Zhang and Wang, "Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for
        Visible-Infrared Person Re-identification", CVPR 2023.
    """
    _check_counts(trials=trials)
    query, gallery = _sides(records, direction, query_splits=["test"], gallery_splits=["test"])
    if evaluator == "llcm-full":
        return [Trial(number=1, query_rows=query, gallery_rows=gallery, rule="llcm-full")]
    if evaluator not in ("llcm", "llcm-swapped"):
        raise VireidError(f"the evaluator must be 'llcm', 'llcm-swapped' or 'llcm-full', got {evaluator!r}")
    listings = _listings(records, gallery)
    drawn = {seed: _draw_seeded(listings, seed) for seed in range(trials)}
    if evaluator == "llcm-swapped" and direction == "v2i":
        return [Trial(number=n, query_rows=np.sort(rows), gallery_rows=query, rule="llcm") for n, rows in drawn.items()]
    return [Trial(number=n, query_rows=query, gallery_rows=rows, rule="llcm") for n, rows in drawn.items()]


def folder_trials(records: Records, *, direction: Direction) -> list[Trial]:
    """The one trial of own crops: every query of one modality against the whole gallery of the other.

    Queries are the rows of split ``query`` or ``test``, gallery images those of ``gallery`` or ``test``. People without
    a known identity stay in the gallery, where they match nobody, and are no queries.

    Args:
        records: what `vireid.data.read_folder` read.
        direction: ``v2i`` or ``i2v``.

    Raises:
        VireidError: no images on a side.
    """
    query, gallery = _sides(records, direction, query_splits=["query", "test"], gallery_splits=["gallery", "test"])
    query = _side(records, query[records.persons[query] >= 0], "identified query")
    return [Trial(number=1, query_rows=query, gallery_rows=gallery, rule="folder")]


def _sides(
    records: Records, direction: Direction, *, query_splits: Sequence[str], gallery_splits: Sequence[str]
) -> tuple[Int64[np.ndarray, " q"], Int64[np.ndarray, " g"]]:
    if direction not in ("v2i", "i2v"):
        raise VireidError(f"the direction must be 'v2i' or 'i2v', got {direction!r}")
    seeker = Modality.VISIBLE if direction == "v2i" else Modality.INFRARED
    query = records.rows(modality=seeker, splits=query_splits)
    gallery = records.rows(modality=seeker.other, splits=gallery_splits)
    return _side(records, query, f"{seeker.value} query"), _side(records, gallery, f"{seeker.other.value} gallery")


def _side(records: Records, rows: Int64[np.ndarray, " k"], name: str) -> Int64[np.ndarray, " k"]:
    if not len(rows):
        raise VireidError(
            f"a trial needs at least one {name} image, but the table of {len(records)} records from {records.root} has "
            "none; check the root, the splits and the direction"
        )
    return rows


def _check_counts(**counts: int) -> None:
    for name, count in counts.items():
        if count < 1:
            raise VireidError(f"the number of {name} must be 1 or more, got {count}")


_Listings = dict[tuple[int, int], np.ndarray]


def _listings(records: Records, rows: Int64[np.ndarray, " k"]) -> _Listings:
    """Rows of each identity and camera, sorted by path, in the order of identity and camera."""
    order = rows[np.lexsort((rows, records.cameras[rows], records.persons[rows]))]
    keys = np.stack([records.persons[order], records.cameras[order]], axis=1)
    starts = np.flatnonzero((np.diff(keys, axis=0, prepend=keys[:1] - 1) != 0).any(axis=1))
    return {
        (int(keys[start, 0]), int(keys[start, 1])): listed for start, listed in zip(starts, np.split(order, starts[1:]))
    }


def _draw_seeded(listings: _Listings, seed: int) -> Int64[np.ndarray, " g"]:
    # A generator of its own draws what the seeded module would and leaves the global state alone.
    choice: Callable[[list[int]], int] = Random(seed).choice
    return np.array([choice(listed.tolist()) for listed in listings.values()], dtype=np.int64)


def _draw_official(
    listings: _Listings, permutations: SysuPermutations, *, shots: int, trials: int
) -> dict[int, Int64[np.ndarray, " g"]]:
    if trials > 10:
        raise VireidError(f"the official draw holds 10 trials, but {trials} were asked for")
    galleries: dict[int, list[np.ndarray]] = {number: [] for number in range(1, trials + 1)}
    for (person, camera), listed in listings.items():
        if len(listed) < shots:
            raise VireidError(
                f"a {shots}-shot gallery needs {shots} images of each identity and camera, but person {person} has "
                f"{len(listed)} in camera {camera}; ask for fewer shots"
            )
        order = permutations.images(camera, person, listed=len(listed))
        for number, rows in galleries.items():
            rows.append(listed[order[number - 1, :shots] - 1])
    return {number: np.concatenate(rows) for number, rows in galleries.items()}
