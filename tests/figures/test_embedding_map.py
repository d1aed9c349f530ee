from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.text import Annotation

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


def test_shapes_are_modalities_and_names_stand_at_identities(tmp_path):
    figure = draw_embedding_map([panel(), panel("two", count=3)], person_names={10: "ann"})
    left, right = figure.axes
    dots = [artist for artist in left.collections if isinstance(artist, PathCollection)]
    assert len(dots) == 8  # both modalities of four identities
    assert [len(artist.get_offsets()) for artist in dots] == [4] * 8
    assert len(dots[0].get_paths()[0].vertices) != len(dots[1].get_paths()[0].vertices)
    names = [artist.get_text() for artist in left.texts if isinstance(artist, Annotation)]
    assert names == ["0", "ann", "20", "30"]
    assert left.get_xlabel() == "4 identities, 32 images"
    assert right.get_xlabel() == "3 identities, 24 images"
    # The same identity looks the same in both.
    np.testing.assert_array_equal(dots[2].get_facecolor(), right.collections[2].get_facecolor())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["visible", "infrared"]
    _, svg = save_figure(figure, tmp_path, "map")
    words = {"".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"one", "two", "ann", "visible", "infrared"} <= words


def test_eighteen_identities_look_different():
    dots = draw_embedding_map([panel(count=18)]).axes[0].collections
    looks = {(tuple(dot.get_facecolor()[0]), tuple(dot.get_edgecolor()[0])) for dot in dots[::2]}
    assert len(looks) == 18


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
