import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from vireid.figures.image_sheet import ImageSheet, fit, shorten_to_width, text_width
from vireid.figures.style import without_middle
from vireid.types import VireidError

DOTS = 4


def paint(figure: Figure, dots: int = DOTS) -> np.ndarray:
    """Pixels, so many a millimetre."""
    figure.set_dpi(25.4 * dots)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def plain(colour: tuple[int, int, int], height: int = 20, width: int = 10) -> np.ndarray:
    return np.full((height, width, 3), colour, dtype=np.uint8)


def test_images_stand_where_they_are_put_in_millimetres_the_right_way_up():
    sheet = ImageSheet(40, 30)
    image = plain((200, 0, 0))
    image[10:] = (0, 0, 200)
    sheet.place(image, 10, 4, 10, 20)
    sheet.place(plain((0, 150, 0)), 25, 4, 5, 10)
    pixels = paint(sheet.figure)
    assert pixels.shape == (30 * DOTS, 40 * DOTS, 3)
    # Far from the edge within the image, which the filter may overshoot.
    assert (pixels[5 * DOTS : 10 * DOTS, 11 * DOTS : 19 * DOTS] == (200, 0, 0)).all()
    assert (pixels[18 * DOTS : 23 * DOTS, 11 * DOTS : 19 * DOTS] == (0, 0, 200)).all()
    assert (pixels[5 * DOTS : 13 * DOTS, 26 * DOTS : 29 * DOTS] == (0, 150, 0)).all()
    outside = np.ones(pixels.shape[:2], dtype=bool)
    outside[15:98, 39:81] = outside[15:58, 99:121] = False
    assert (pixels[outside] == 255).all()


@pytest.mark.parametrize(("shape", "box"), [((20, 10), (4, 1, 4, 8)), ((10, 30), (1, 3.5, 10, 10 / 3))])
def test_an_image_keeps_its_proportions_in_the_middle_of_its_box(shape, box):
    found = fit(plain((0, 0, 0), *shape), 1, 1, 10, 8)
    expected = (1 + (10 - box[2]) / 2, 1 + (8 - box[3]) / 2, box[2], box[3])
    assert found == pytest.approx(expected)


def test_the_line_of_an_overlay_goes_round_what_is_above_half():
    values = np.zeros((8, 4), dtype=np.float32)
    values[2, 2] = 0.03
    sheet = ImageSheet(20, 40)
    sheet.place_heat(plain((128, 128, 128), 80, 40), values, 0, 0, 20, 40)
    pixels = paint(sheet.figure, 16).astype(int)
    white = np.argwhere((pixels > 215).all(axis=2)) / 16
    # Place (2, 2) of 5 mm lies around 12.5 mm down and 12.5 mm to the right.
    assert 9 < white[:, 0].min() < 12 < 13 < white[:, 0].max() < 16
    assert 9 < white[:, 1].min() < 12 < 13 < white[:, 1].max() < 16
    assert (pixels[25 * 16 :] == 128).all()


def test_an_overlay_of_nothing_is_the_gray_image():
    sheet = ImageSheet(20, 40)
    sheet.place_heat(plain((200, 0, 0), 80, 40), np.full((2, 2), -1, dtype=np.float32), 0, 0, 20, 40)
    assert (paint(sheet.figure) == 60).all()


@pytest.mark.parametrize("bold", [False, True])
def test_a_line_is_cut_to_its_room(bold):
    long = "a name that is much too long"
    assert shorten_to_width("person 12", 5, 100, bold=bold) == "person 12"
    assert shorten_to_width("", 5, 1, bold=bold) == ""
    cut = shorten_to_width(long, 5, 10, bold=bold)
    cuts = [without_middle(long, count) for count in range(len(long))]
    fitting = [each for each in cuts if text_width(each, 5, bold=bold) <= 10]
    assert cut == fitting[-1]
    assert cut.startswith("a n")
    assert cut.endswith("g")
    assert 1 < len(cut) < len(long)
    assert shorten_to_width(long, 5, 0.1, bold=bold) == "…"
    assert text_width("wide", 10, bold=bold) == pytest.approx(2 * text_width("wide", 5, bold=bold), rel=0.01)


def test_what_is_no_image_is_refused():
    with pytest.raises(VireidError, match="height x width x 3 of bytes, RGB"):
        ImageSheet(20, 20).place(np.zeros((0, 2, 3), dtype=np.uint8), 0, 0, 10, 10)
