import itertools
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.lines import Line2D
from matplotlib.text import Annotation, Text

from vireid.cli.report_plots import MAPPED
from vireid.figures.embedding_map import MapPanel, draw_embedding_map, pick_persons, project
from vireid.figures.style import save_figure
from vireid.types import VireidError


def clusters(count: int = 4, images: int = 8) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features close to an axis of their own for each identity, of any length; half of them infrared."""
    draw = np.random.default_rng(0)
    persons = np.repeat(np.arange(count), images) * 10
    features = np.eye(count, 16)[persons // 10] + draw.normal(size=(len(persons), 16)) * 0.02
    lengths = draw.uniform(0.1, 50, (len(persons), 1))
    return (features * lengths).astype(np.float32), persons, np.arange(len(persons)) % 2 == 0


def test_drawn_identities_are_in_both_modalities():
    persons = np.array([1, 1, 2, 2, 3, 4, 4, -1, -1])
    infrared = np.array([True, False, True, True, False, False, True, True, False])
    np.testing.assert_array_equal(pick_persons(persons, infrared), [1, 4])
    many, sides = np.repeat(np.arange(50), 2), np.tile([True, False], 50)
    drawn = pick_persons(many, sides, count=20, seed=1)
    assert len(np.unique(drawn)) == 20
    assert (np.diff(drawn) > 0).all()
    np.testing.assert_array_equal(drawn, pick_persons(many, sides, count=20, seed=1))
    assert not np.array_equal(drawn, pick_persons(many, sides, count=20, seed=2))


def test_nobody_to_draw_is_refused():
    with pytest.raises(VireidError, match="there is none among 2 infrared and 1 visible images"):
        pick_persons(np.array([1, 2, 3]), np.array([True, True, False]))
    with pytest.raises(VireidError, match="must be 1 or more, got 0"):
        pick_persons(np.array([1, 1]), np.array([True, False]), count=0)


def test_a_map_keeps_neighbours_by_cosine():
    features, persons, _ = clusters()
    points = project(features, seed=1)
    assert points.shape == (32, 2)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    # By Euclidean distance the lengths, 0.1 to 50, would decide.
    assert (persons[distances.argmin(axis=1)] == persons).mean() > 0.9
    np.testing.assert_array_equal(points, project(features, seed=1))


@pytest.mark.slow  # half a minute, in which umap-learn compiles itself
def test_umap_where_it_is_installed():
    pytest.importorskip("umap")
    features, persons, _ = clusters(images=6)
    points = project(features, method="umap")
    assert points.shape == (24, 2)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (persons[distances.argmin(axis=1)] == persons).mean() > 0.9


def test_few_images_are_mapped_and_fewer_refused():
    features = np.random.default_rng(0).normal(size=(4, 8))
    assert np.isfinite(project(features)).all()
    with pytest.raises(VireidError, match="at least 4 images, got 3"):
        project(features[:3])
    features[0, 0] = np.inf
    with pytest.raises(VireidError, match="finite features"):
        project(features)


def panel(title: str = "one", count: int = 4) -> MapPanel:
    features, persons, infrared = clusters(count)
    return MapPanel(title, features[:, :2].astype(np.float64), persons, infrared)


def marks_of(axes) -> list[Line2D]:
    """Visible and infrared marks of each identity in turn, without the thin lines."""
    return [line for line in axes.lines if line.get_marker() != "None"]


def look_of(mark: Line2D) -> tuple[object, ...]:
    return mark.get_markerfacecolor(), mark.get_markeredgecolor(), mark.get_fillstyle()


def test_shapes_are_modalities_and_names_stand_at_identities(tmp_path):
    figure = draw_embedding_map([panel(), panel("two", count=3)], person_names={10: "ann"})
    left, right = figure.axes
    marks = marks_of(left)
    assert len(marks) == 8  # both modalities of four identities
    assert [len(mark.get_xdata()) for mark in marks] == [4] * 8
    assert marks[0].get_marker() != marks[1].get_marker()
    names = [artist.get_text() for artist in left.texts if isinstance(artist, Annotation)]
    assert names == ["0", "ann", "20", "30"]
    assert left.get_xlabel() == "4 identities, 32 images"
    assert right.get_xlabel() == "3 identities, 24 images"
    # The same identity looks the same in both.
    assert [look_of(mark) for mark in marks[:6]] == [look_of(mark) for mark in marks_of(right)]
    identities, signs = ([text.get_text() for text in legend.get_texts()] for legend in figure.legends)
    assert identities == ["0", "ann", "20", "30"]
    assert signs == ["visible", "infrared", "to the middle of an identity's images"]
    assert [look_of(mark) for mark in figure.legends[0].get_lines()] == [look_of(mark) for mark in marks[::2]]
    _, svg = save_figure(figure, tmp_path, "map")
    words = {"".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"one", "two", "ann", "visible", "infrared"} <= words


@pytest.fixture(scope="module")
def crowd():
    """As many identities as a report maps, all around one point."""
    persons = np.repeat(np.arange(MAPPED), 4)
    points = np.random.default_rng(0).normal(size=(len(persons), 2))
    names = {0: "a name that is long"}
    return draw_embedding_map(
        [MapPanel("crowd", points, persons, np.arange(len(persons)) % 2 == 0)], person_names=names
    )


def test_all_identities_that_a_report_maps_look_different(crowd):
    assert len({look_of(mark) for mark in marks_of(crowd.axes[0])}) == MAPPED


def test_no_name_hides_another_and_the_key_has_all(crowd):
    crowd.draw_without_rendering()
    axes = crowd.axes[0]
    names = [artist for artist in axes.texts if isinstance(artist, Annotation)]
    assert [name.get_text() for name in names][:2] == ["a na…ong", "1"]
    # Without the lines that lead to their places.
    boxes = [Text.get_window_extent(name) for name in names]
    assert len(boxes) == MAPPED
    assert not [(one, other) for one, other in itertools.combinations(boxes, 2) if one.overlaps(other)]
    room = axes.get_window_extent()
    assert all(room.x0 - 1 <= box.x0 and box.x1 <= room.x1 + 1 for box in boxes)
    assert all(room.y0 - 1 <= box.y0 and box.y1 <= room.y1 + 1 for box in boxes)
    for legend in crowd.legends:
        extent = legend.get_window_extent()
        assert crowd.bbox.x0 <= extent.x0 < extent.x1 <= crowd.bbox.x1
        assert crowd.bbox.y0 <= extent.y0 < extent.y1 <= crowd.bbox.y1


def test_one_person_alone_is_drawn():
    figure = draw_embedding_map([MapPanel("one", np.zeros((1, 2)), np.array([3]), np.array([True]))])
    figure.draw_without_rendering()
    assert figure.axes[0].get_xlabel() == "1 identities, 1 images"


def test_what_is_no_map_is_refused():
    with pytest.raises(VireidError, match="at least one map, got none"):
        draw_embedding_map([])
    with pytest.raises(VireidError, match="at least one image"):
        MapPanel("none", np.zeros((0, 2)), np.zeros(0, dtype=np.int64), np.zeros(0, dtype=bool))
    with pytest.raises(VireidError, match="2 identities and 1 modalities"):
        MapPanel("short", np.zeros((1, 2)), np.array([1, 2]), np.array([True]))
    with pytest.raises(VireidError, match="those of 'nan' hold NaN"):
        MapPanel("nan", np.full((1, 2), np.nan), np.array([1]), np.array([True]))
