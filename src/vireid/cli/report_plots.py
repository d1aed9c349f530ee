"""The plots of a report, none of which shows a person, each with the words that say what is seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from vireid.cli.report_drawing import Drawing, keep
from vireid.cli.report_results import hidden_from, name_protocol
from vireid.cli.report_runs import ReportedRun
from vireid.evaluation import Averages, Evaluation
from vireid.figures import (
    MapPanel,
    PairDistances,
    by_camera,
    by_person,
    draw_accuracy_by_camera,
    draw_accuracy_by_person,
    draw_cmc,
    draw_distances,
    draw_embedding_map,
    draw_losses,
    pair_distances,
    pick_persons,
    project,
)
from vireid.figures.alb_figure import draw_token_attention
from vireid.figures.embedding_map import Projection
from vireid.figures.report import Picture

__all__ = [
    "accuracy_pictures",
    "cmc_picture",
    "distance_pictures",
    "is_umap_installed",
    "loss_picture",
    "map_pictures",
    "token_pictures",
]

MAPPED = 20


def cmc_picture(folder: Path, results: Mapping[str, Evaluation], chance: Averages | None) -> Picture:
    """Matching curves of all results, which are of one protocol."""
    curves = {label: result.mean["cmc"] for label, result in results.items()}
    if chance is not None:
        curves["chance"] = chance["cmc"]
    *_, last = results.values()
    named = "; ".join(
        f"{label}: {100 * curve[0]:.1f} at rank 1, {100 * curve[9]:.1f} at rank 10, {100 * curve[19]:.1f} at rank 20"
        for label, curve in curves.items()
    )
    return keep(
        draw_cmc(curves),
        folder,
        "cmc",
        alt=f"Matching curves from rank 1 to 20, percent. {named}.",
        caption="Share of queries with a true match among the first ranks, mean over trials; "
        f"{name_protocol(last.protocol)}.",
    )


def loss_picture(folder: Path, runs: Sequence[ReportedRun]) -> Picture:
    """Terms of the loss and learning rate of every run that kept a log.

    Raises:
        VireidError: none did.
    """
    logged = {run.label: run.record.steps for run in runs if run.record.steps}
    lengths = "; ".join(f"{label}: {steps[-1]['epoch'] + 1} epochs" for label, steps in logged.items())
    return keep(
        draw_losses(logged),
        folder,
        "losses",
        alt=f"Curves of each term of the loss over the epochs, and of the learning rate beneath. {lengths}.",
        caption="Each term of the loss at every step (faint) and smoothed over 3 % of the training, with the learning "
        "rate beneath: that of all but the head, which has its own. Where a few values lie far above all others, the "
        "scale is logarithmic, or they are cut off; axis and legend say so. "
        "Terms of different losses have different units: compare a curve with itself.",
    )


def map_pictures(drawing: Drawing) -> list[Picture]:
    """The same people on a map of each network, by t-SNE, and by UMAP where that is installed.

    Raises:
        VireidError: too few people whom both modalities have seen.
    """
    records = drawing.data.plan.records
    persons = pick_persons(records.persons, records.infrared, MAPPED, drawing.seed)
    rows = records.rows(persons=persons.tolist())
    methods: list[tuple[Projection, str]] = [("t-sne", "t-SNE")]
    if is_umap_installed():
        methods.append(("umap", "UMAP"))
    pictures = []
    for method, name in methods:
        panels = [
            MapPanel(
                each.label,
                project(each.embeddings.features[rows], method=method, seed=drawing.seed),
                records.persons[rows],
                records.infrared[rows],
            )
            for each in drawing.networks
        ]
        pictures.append(
            keep(
                draw_embedding_map(panels, person_names=records.person_names),
                drawing.folder,
                f"map-{method}",
                alt=f"{name} map of {len(rows)} embeddings of {len(persons)} people, a panel for each of "
                f"{', '.join(panel.title for panel in panels)}; people by colour, face and name, modalities by shape.",
                caption=f"{name} of the embeddings of {len(persons)} people whom both modalities have seen, drawn by "
                f"seed {drawing.seed} from all {len(set(records.persons.tolist()))} of the test, with all their "
                "images. A name or number is a person, with the same colour and face (full, open or half) in each "
                "panel, which mean nothing else; circles are visible, triangles infrared. A thin line leads from each "
                "image to the middle of its person's images in both modalities, the median point; where the name "
                "does not stand there, a thick line leads to it. Where modalities have met, both shapes of a person "
                f"lie together. Sizes of groups and gaps between them are the method's own.{drawing.notes}",
            )
        )
    return pictures


def distance_pictures(drawing: Drawing) -> list[Picture]:
    """Distances of the same and of different people by each network.

    Raises:
        VireidError: no pairs of one kind.
    """
    records = drawing.data.plan.records
    panels = {
        each.label: pair_distances(each.embeddings.features, records.persons, records.infrared, seed=drawing.seed)
        for each in drawing.networks
    }
    means = "; ".join(
        f"{label}: same person {pairs.intra_mean:.3f}, different people {pairs.inter_mean:.3f}, difference "
        f"{pairs.delta:.3f}"
        for label, pairs in panels.items()
    )
    return [
        keep(
            draw_distances(panels),
            drawing.folder,
            "distances",
            alt=f"Histograms of cosine distances from infrared to visible images. Means of {means}.",
            caption="Cosine distances of infrared to visible images of the test, of one person and of different "
            f"people; bars of each kind sum to 1 and are of {_counted(next(iter(panels.values())))}; upright lines "
            "are the means of all pairs, and δ is their difference: the larger, the better told apart."
            f"{_with_hidden(drawing)} Embeddings of different networks have scales of their own, "
            f"so compare overlaps rather than distances.{drawing.notes}",
        )
    ]


def _counted(pairs: PairDistances) -> str:
    """How many pairs the bars show of how many."""
    kinds = {
        "of one person": (len(pairs.intra), pairs.intra_count),
        "of different people": (len(pairs.inter), pairs.inter_count),
    }
    return " and ".join(
        f"all {every:,} pairs {kind}" if shown == every else f"{shown:,} pairs {kind} drawn from {every:,}"
        for kind, (shown, every) in kinds.items()
    )


def _with_hidden(drawing: Drawing) -> str:
    hidden = hidden_from(drawing.data.plan.trials[0].rule)
    return " Pairs that the protocol hides from a query are among them." if hidden else ""


def accuracy_pictures(drawing: Drawing) -> list[Picture]:
    """Where the mistakes of each network lie."""
    records = drawing.data.plan.records
    cameras = {label: by_camera(outcomes, records) for label, outcomes in drawing.outcomes.items()}
    persons = {label: by_person(outcomes, records) for label, outcomes in drawing.outcomes.items()}
    *earlier, last = persons
    reported = persons[last]
    best, worst = (
        " and ".join(str(records.person_names.get(one, one)) for one in some)
        for some in (reported.persons[::-1][:3].tolist(), reported.persons[:3].tolist())
    )
    rates = "; ".join(
        f"{label}, camera {records.camera_names.get(camera, camera)}: {100 * rate:.1f}"
        for label, table in cameras.items()
        for camera, rate in zip(table.query_cameras.tolist(), table.overall_rank1.tolist())
    )
    hidden = hidden_from(drawing.data.plan.trials[0].rule)
    return [
        keep(
            draw_accuracy_by_camera(cameras, records),
            drawing.folder,
            "accuracy-by-camera",
            alt="A table for each network of Rank-1 by camera of the query and of the gallery. Against the whole "
            f"gallery, {rates}.",
            caption=f"Rank-1 of {' and '.join(cameras)} by the camera of the query, against the images of one camera "
            "alone and against all, over all trials; n is the number of queries whose person is there. Shades reach "
            "from the lowest to the highest rate of this figure, as its bar says. "
            f"{drawing.protocol}.{hidden}{drawing.notes}",
        ),
        keep(
            draw_accuracy_by_person(persons, records),
            drawing.folder,
            "accuracy-by-person",
            alt=f"Bars of the mean average precision of each of {len(reported.persons)} people by {last}, easiest "
            f"first, with marks for {' and '.join(earlier)}. The easiest are {best}, the hardest {worst}.",
            caption=f"Mean average precision of each person's queries, over all trials; bars, which order the people, "
            f"are {last}, marks {' and '.join(earlier)}; {drawing.protocol}. The hardest are those of the lowest bars "
            "that are below the mean. With few queries a person, much of the difference is chance."
            f"{drawing.notes}",
        ),
    ]


def token_pictures(drawing: Drawing) -> list[Picture]:
    """Which token asks which in each ALB of the reported network; none without MIMB.

    Raises:
        VireidError: nobody was seen by both modalities.
    """
    if drawing.reported.network.mimb is None:
        return []
    records, seen = drawing.data.plan.records, drawing.attentions
    first = [row for row in seen if records[row].person == records[next(iter(seen))].person]
    captions = [f"{records[row].modality.value} image" for row in first]
    return [
        keep(
            draw_token_attention(captions, [seen[row] for row in first]),
            drawing.folder,
            "alb-tokens",
            alt=f"A table of shades for each ALB of {drawing.reported.label} and each of {len(first)} images: "
            "attention weights from token to token.",
            caption=f"Attention weights of each ALB of {drawing.reported.label} between its tokens, averaged over the "
            "heads, for a visible and an infrared image of one person, drawn by seed "
            f"{drawing.seed}. Tokens are channels: they are ordered by the attention that they are given. 1 is even "
            "attention; a scale whose table is of one shade mixes all its channels alike.",
        )
    ]


def is_umap_installed() -> bool:
    """What umap-learn compiled outlives its removal, in a folder that is a package without an origin."""
    found = find_spec("umap")
    return found is not None and found.origin is not None
