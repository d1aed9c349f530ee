"""A map of embeddings: people by colour, face and number, modalities by shape."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Float64, Int, Int64

from vireid.figures import style
from vireid.figures.label_places import push_apart
from vireid.types import MissingExtraError, VireidError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Annotation

__all__ = ["MapPanel", "Projection", "draw_embedding_map", "pick_persons", "project"]

Projection = Literal["t-sne", "umap"]

_FEWEST = 4
_SHAPES = ((False, "o", "visible"), (True, "^", "infrared"))
_FACES = ("full", "open", "left", "bottom")
"""How much of a mark is coloured. Once all colours are used they begin anew with another face: 24 identities that all
look different."""

_LETTERS = 8
_KEY_LINE = 3.3
"""Millimetres of a line of the key."""


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map.

    Attributes:
        title: of the panel, such as the model's name.
        points: where each image lies, see `project`.
        persons: identity of each image.
        infrared: True for infrared, False for visible images.

    Raises:
        VireidError: no image, columns of different lengths, or a place that is not finite.
    """

    title: str
    points: Float[np.ndarray, "n 2"]
    persons: Int[np.ndarray, " _"]
    infrared: Bool[np.ndarray, " _"]

    def __post_init__(self) -> None:
        lengths = len(self.points), len(self.persons), len(self.infrared)
        if len(set(lengths)) != 1 or not lengths[0] or self.points.shape[1] != 2:
            raise VireidError(
                "a map needs at least one image and for each a place (two numbers), an identity and a modality, got "
                f"places of shape {self.points.shape}, {lengths[1]} identities and {lengths[2]} modalities"
            )
        if not np.isfinite(self.points).all():
            raise VireidError(f"every place on a map must be finite, but those of {self.title!r} hold NaN or infinity")


def pick_persons(
    persons: Int[np.ndarray, " n"], infrared: Bool[np.ndarray, " n"], count: int = 20, seed: int = 0
) -> Int64[np.ndarray, " k"]:
    """Draw identities that both modalities have seen, ascending; all of them where there are no more.

    Args:
        persons: identity of each image; those below 0 are unknown and never drawn.
        infrared: True for infrared, False for visible images.
        count: identities at most.
        seed: of the draw.

    Raises:
        VireidError: a count below 1, or nobody was seen by both.

    >>> pick_persons(np.array([7, 7, 4, -1, -1]), np.array([True, False, True, True, False]))
    array([7])
    """
    if count < 1:
        raise VireidError(f"the number of identities must be 1 or more, got {count}")
    both = np.intersect1d(persons[infrared], persons[~infrared])
    both = both[both >= 0].astype(np.int64)
    if not len(both):
        raise VireidError(
            "a map needs identities that both infrared and visible cameras have seen, but there is none among "
            f"{int(infrared.sum())} infrared and {int((~infrared).sum())} visible images"
        )
    if len(both) <= count:
        return both
    return np.sort(np.random.default_rng(seed).choice(both, count, replace=False))


def project(
    features: Float[np.ndarray, "n d"], *, method: Projection = "t-sne", seed: int = 0
) -> Float64[np.ndarray, "n 2"]:
    """Lay features out on a plane so that neighbours by cosine distance stay neighbours.

    Distances on the map mean little beyond that: sizes of groups and gaps between them are the method's own. The same
    features and seed give the same map on one machine.

    Args:
        features: at least 4 rows.
        method: ``t-sne``, or ``umap`` where umap-learn is installed.
        seed: of the method.

    Raises:
        VireidError: another method, one that is not installed, fewer than 4 rows, or NaN or infinity.

    Reference: van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008; McInnes et al., "UMAP",
        arXiv 1802.03426. MSCMNet (arXiv 2311.14395), Fig. 9.
    """
    if method not in get_args(Projection):
        raise VireidError(f"the method of a map must be one of {', '.join(get_args(Projection))}, got {method!r}")
    if len(features) < _FEWEST:
        raise VireidError(f"a map needs at least {_FEWEST} images, got {len(features)}")
    if not np.isfinite(features).all():
        raise VireidError("a map needs finite features, but some hold NaN or infinity; embed these images again")
    return (_t_sne if method == "t-sne" else _umap)(features, seed).astype(np.float64)


def _t_sne(features: Float[np.ndarray, "n d"], seed: int) -> np.ndarray:
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise MissingExtraError("t-SNE", "scikit-learn", "report") from error
    perplexity = min(30.0, (len(features) - 1) / 3)
    return TSNE(metric="cosine", init="pca", perplexity=perplexity, random_state=seed).fit_transform(features)


def _umap(features: Float[np.ndarray, "n d"], seed: int) -> np.ndarray:
    try:
        umap = importlib.import_module("umap")
    except ModuleNotFoundError as error:
        raise MissingExtraError("UMAP", "umap-learn", "umap") from error
    neighbours = min(15, len(features) - 1)
    return np.asarray(
        umap.UMAP(metric="cosine", n_neighbors=neighbours, random_state=seed, n_jobs=1).fit_transform(features)
    )


@style.look()
def draw_embedding_map(panels: Sequence[MapPanel], *, person_names: Mapping[int, str] | None = None) -> Figure:
    """Maps side by side: an identity is a colour with a face and a name, as the key says, a modality a shape.

    Thin lines lead from each image of both modalities to the middle (the median) of its identity's images, so that who
    belongs together shows without colour. The name stands there, or at the end of a thick line where there is no room.

    Args:
        panels: the same identity has the same colour and name in each.
        person_names: what to call identities, such as `vireid.types.Records.person_names`; others by their number.

    Raises:
        VireidError: no panel, or Matplotlib is not installed.
    """
    from matplotlib.lines import Line2D

    if not panels:
        raise VireidError("a figure of embeddings needs at least one map, got none")
    persons = np.unique(np.concatenate([panel.persons for panel in panels]))
    across = min(len(panels), 2)
    down = -(-len(panels) // across)
    figure = style.new_figure(style.DOUBLE if across > 1 else style.SINGLE, 88 * down)
    grid = figure.subplots(down, across, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    names = {
        person: style.shorten_to_letters((person_names or {}).get(person, str(person)), _LETTERS)
        for person in persons.tolist()
    }
    labels = [(axes, _draw_panel(axes, panel, names)) for axes, panel in zip(grid.flat, panels)]
    key = [Line2D([], [], marker="o", label=name, **_look(number)) for number, name in enumerate(names.values())]
    figure.legend(
        handles=key,
        loc="outside right upper",
        ncols=-(-len(key) // int((88 * down - 14) / _KEY_LINE)),
        handletextpad=0,
        labelspacing=0.3,
        title="identity",
        title_fontsize=7,
    )
    signs = [
        Line2D([], [], marker=marker, color=style.INK, linestyle="none", label=name) for _, marker, name in _SHAPES
    ]
    signs.append(Line2D([], [], color=style.INK, linewidth=0.4, label="to the middle of an identity's images"))
    figure.legend(handles=signs, loc="outside lower center", ncols=1 + across)
    # Only what is laid out has places in print, and names have sizes there alone.
    figure.draw_without_rendering()
    for axes, own in labels:
        _spread(figure, axes, own)
    return figure


def _look(number: int) -> dict[str, Any]:
    """What makes an identity's marks its own."""
    colour, face = style.colour(number), _FACES[number // len(style.COLOURS) % len(_FACES)]
    return {
        "linestyle": "none",
        "markeredgecolor": colour,
        "markeredgewidth": 0.7,
        "markerfacecolor": "white" if face == "open" else colour,
        "markerfacecoloralt": "white",
        "fillstyle": "full" if face == "open" else face,
    }


def _spread(figure: Figure, axes: Axes, labels: Sequence[Annotation]) -> None:
    """Move labels to where none hides another, with a line to the place that they mean."""
    box, points = axes.get_window_extent(), 72 / figure.dpi
    corner = np.array([box.x0, box.y0])
    meant = (axes.transData.transform([label.xy for label in labels]) - corner) * points
    extents = [label.get_window_extent() for label in labels]
    sizes = np.array([[extent.width, extent.height] for extent in extents]) * points
    wanted = meant + np.array([label.get_position() for label in labels])
    for label, place, end in zip(
        labels, push_apart(wanted, sizes + 1, np.array([box.width, box.height]) * points), meant
    ):
        label.set_position(tuple(place - end))


def _draw_panel(axes: Axes, panel: MapPanel, names: Mapping[int, str]) -> list[Annotation]:
    """Marks, lines and names, one for each identity that is there; names may hide one another yet."""
    labels = []
    middle = np.median(panel.points, axis=0)
    for number, (person, name) in enumerate(names.items()):
        own = panel.persons == person
        if not own.any():
            continue
        points = panel.points[own]
        centre = np.median(points, axis=0)
        outward = (centre - middle) / max(float(np.linalg.norm(centre - middle)), 1e-9)
        # One broken line: NaN lifts the pen between images.
        lines = np.stack([points, np.broadcast_to(centre, points.shape), np.full(points.shape, np.nan)], axis=1)
        axes.plot(*lines.reshape(-1, 2).T, color=style.colour(number), linewidth=0.4, alpha=0.45, zorder=1)
        for side, marker, _ in _SHAPES:
            axes.plot(
                *points[panel.infrared[own] == side].T,
                marker=marker,
                markersize=3.9 if side else 3.3,
                zorder=2,
                **_look(number),
            )
        label = axes.annotate(
            name,
            (float(centre[0]), float(centre[1])),
            (7 * float(outward[0]), 7 * float(outward[1])),
            textcoords="offset points",
            fontsize=6.5,
            fontweight="bold",
            ha="center",
            va="center",
            zorder=4,
            bbox={"boxstyle": "round,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7},
            arrowprops={
                "arrowstyle": "-",
                "color": style.INK,
                "linewidth": 0.7,
                "shrinkA": 0,
                "shrinkB": 0,
                "zorder": 3,
            },
        )
        # Labels are placed by the layout, and must not change it.
        label.set_in_layout(False)
        labels.append(label)
    style.name_panel(axes, panel.title)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(True)
    axes.spines[:].set(color=style.FAINT, linewidth=0.4)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xlabel(f"{len(np.unique(panel.persons))} identities, {len(panel.persons)} images", fontsize=7)
    return labels
