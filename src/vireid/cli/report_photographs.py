"""The figures of a report that show people, each with the words that say who was picked and what is seen."""

from __future__ import annotations

import itertools

import numpy as np
from jaxtyping import Int64

from vireid.cli.report_drawing import Drawing, caption, image_pairs, keep, spread
from vireid.cli.report_results import hidden_from
from vireid.cli.report_runs import MeasuredNetwork
from vireid.data import load_image
from vireid.evaluation import Trial
from vireid.evaluation.rules import dropped
from vireid.figures import draw_confusions, hardest_confusions
from vireid.figures.activation_figure import draw_activation_maps
from vireid.figures.alb_figure import draw_alb_attention
from vireid.figures.class_activation import activation_maps
from vireid.figures.report import Picture
from vireid.figures.side_by_side import draw_side_by_side
from vireid.types import Modality, Ranking, Records

__all__ = ["activation_pictures", "alb_pictures", "confusion_pictures", "ranked_pictures"]

QUERIES = 8
RESULTS = 10
ACTIVATED = 5
CONFUSIONS = 10


def ranked_pictures(drawing: Drawing) -> list[Picture]:
    """The same queries' best results by each earlier network beside those of the reported one."""
    records, trial = drawing.data.plan.records, drawing.data.plan.trials[0]
    known = trial.query_rows[np.isin(records.persons[trial.query_rows], records.persons[trial.gallery_rows])]
    chosen = np.sort(spread(known, QUERIES, drawing.seed))
    gallery = np.sort(trial.gallery_rows)
    rankings = {each.label: _ranking(each, records, trial, chosen, gallery) for each in drawing.networks}
    right = {
        label: int((records.persons[gallery[ranking.rows[:, 0]]] == records.persons[chosen]).sum())
        for label, ranking in rankings.items()
    }
    pictures = []
    for number, each in enumerate(drawing.networks[:-1], start=1):
        pair = {label: rankings[label] for label in (each.label, drawing.reported.label)}
        counts = ", ".join(f"{label} {right[label]} of {len(chosen)}" for label in pair)
        pictures.append(
            keep(
                draw_side_by_side(
                    records.take(chosen), records.take(gallery), pair, query_rows=range(len(chosen)), top=RESULTS
                ),
                drawing.folder,
                "ranked" if len(drawing.networks) == 2 else f"ranked-{number}",
                alt=f"{len(chosen)} queries with their best results by {' and by '.join(pair)}. Right first: {counts}.",
                caption=f"The best results of {len(chosen)} queries, in the gallery of trial {trial.number} "
                f"({len(gallery):,} images) of {drawing.protocol}. Right first: {counts}. The queries are evenly "
                f"spread over the {len(known):,} whose person is in the gallery, from a first one drawn by seed "
                f"{drawing.seed}; none was picked by its result, and so few say little about the "
                f"networks.{hidden_from(trial.rule)}{drawing.notes}",
                photographs=True,
            )
        )
    return pictures


def activation_pictures(drawing: Drawing) -> list[Picture]:
    """Grad-CAM of each network for some people, once in each modality.

    Raises:
        VireidError: nobody was seen by both modalities.
    """
    records = drawing.data.plan.records
    pairs = image_pairs(records, ACTIVATED, drawing.seed)
    rows = {modality: [pair[side] for pair in pairs] for side, modality in enumerate(Modality)}
    persons = [records[row].person for row, _ in pairs]
    images = {modality: [load_image(records.file(row)) for row in chosen] for modality, chosen in rows.items()}
    maps = {
        each.label: np.concatenate(
            [
                activation_maps(
                    each.network,
                    images[modality],
                    modality,
                    target=np.stack([_mean(each, records, modality.other, one) for one in persons]),
                )
                for modality in Modality
            ]
        )
        for each in drawing.networks
    }
    captions = [caption(records, row) for row in itertools.chain(*rows.values())]
    return [
        keep(
            draw_activation_maps(list(itertools.chain(*images.values())), captions, maps),
            drawing.folder,
            "grad-cam",
            alt=f"Visible and infrared images of {len(persons)} people, and Grad-CAM of {' and '.join(maps)} laid over "
            "each.",
            caption=f"Grad-CAM of the last stage of {' and '.join(maps)}, for the similarity to the mean embedding of "
            f"the same person's images in the other modality. The {len(persons)} people and their images are drawn by "
            f"seed {drawing.seed}. Each overlay has its own scale: compare places, not overlays. It is drawn because "
            "papers draw it, but it is no evidence: a place of so deep a map has seen most of the image. Which places "
            "make a match is told more truly by blurring one after the other (vireid.figures.explain_match, or Explain "
            f"on the page of vireid serve).{drawing.notes}",
            photographs=True,
        )
    ]


def alb_pictures(drawing: Drawing) -> list[Picture]:
    """What the scale of each ALB of the reported network brings of the places of some images; none without MIMB.

    Raises:
        VireidError: nobody was seen by both modalities.
    """
    if drawing.reported.network.mimb is None:
        return []
    records, seen = drawing.data.plan.records, drawing.attentions
    images = [load_image(records.file(row)) for row in seen]
    captions = [caption(records, row) for row in seen]
    grids = (block.places.shape for blocks in seen.values() for block in blocks if block.places is not None)
    rows, columns = next(grids, (0, 0))
    return [
        keep(
            draw_alb_attention(images, captions, list(seen.values())),
            drawing.folder,
            "alb-places",
            alt=f"{len(images)} images, and for each ALB of {drawing.reported.label} which places its scale brings.",
            caption=f"What each ALB of {drawing.reported.label} brings of an image: how far the embedding turns when "
            "that block alone is given the map of the image with a place blurred. The places are those of a grid of "
            f"{rows} x {columns} over the image, whatever the size of the map that stands above. The number "
            "beneath is the largest turn; colours compare places of one overlay only. The attention itself is from "
            "channel to channel and has no places that could be laid over an image. "
            f"People and images are drawn by seed {drawing.seed}.",
            photographs=True,
        )
    ]


def confusion_pictures(drawing: Drawing) -> list[Picture]:
    """Who is taken for whom most often by the reported network.

    Raises:
        VireidError: nobody is.
    """
    records = drawing.data.plan.records
    confusions = hardest_confusions(drawing.outcomes[drawing.reported.label], records, CONFUSIONS)
    names = "; ".join(
        f"{records.person_names.get(each.query_person, each.query_person)} for "
        f"{records.person_names.get(each.wrong_person, each.wrong_person)} in {100 * each.share:.0f} %"
        for each in confusions
    )
    return [
        keep(
            draw_confusions(confusions, records),
            drawing.folder,
            "confusions",
            alt=f"{len(confusions)} people and whom they are taken for: {names}.",
            caption=f"The people whom {drawing.reported.label} takes for one other person in the largest share of "
            f"their searches, over all trials; {drawing.protocol}. Of each pair the search with the highest wrong "
            "score: the query, the wrong image that came first, the right person's best image, with their similarities "
            "to the query. These are the worst cases on purpose.",
            photographs=True,
        )
    ]


def _ranking(
    network: MeasuredNetwork,
    records: Records,
    trial: Trial,
    queries: Int64[np.ndarray, " q"],
    gallery: Int64[np.ndarray, " g"],
) -> Ranking:
    """The best results that each query may see, in rows of the gallery, which is ascending."""
    features = network.embeddings.features
    scores = features[queries] @ features[trial.gallery_rows].T
    for row, query in enumerate(queries.tolist()):
        size = len(trial.gallery_rows)
        hidden = dropped(
            np.full(size, records.persons[query]),
            records.persons[trial.gallery_rows],
            np.full(size, records.cameras[query]),
            records.cameras[trial.gallery_rows],
            trial.rule,
        )
        if hidden is not None:
            scores[row, hidden] = -np.inf
    top = min(RESULTS, int(np.isfinite(scores).sum(axis=1).min()))
    # Equal scores keep the order of the trial's own gallery.
    order = np.argsort(-scores, axis=1, kind="stable")[:, :top]
    rows = np.searchsorted(gallery, trial.gallery_rows[order])
    return Ranking(rows=rows.astype(np.int64), scores=np.take_along_axis(scores, order, axis=1))


def _mean(network: MeasuredNetwork, records: Records, modality: Modality, person: int) -> np.ndarray:
    return network.embeddings.features[records.rows(modality=modality, persons=[person])].mean(axis=0)
