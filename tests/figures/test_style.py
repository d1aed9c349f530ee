import itertools
import re
import subprocess
import sys
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from vireid.figures import style
from vireid.types import VireidError


def lightness(colour: str) -> float:
    """CIE L* of a colour, 0 to 100."""
    red, green, blue = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in (red, green, blue)]
    luminance = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    return 116 * luminance ** (1 / 3) - 16 if luminance > 0.008856 else 903.3 * luminance


def test_colours_are_told_apart_without_colour():
    ordered = sorted(map(lightness, style.COLOURS))
    assert min(high - low for low, high in itertools.pairwise(ordered)) > 7
    # The brightest still stands out from paper.
    assert ordered[-1] < 80
    first, second = (lightness(one) for one in style.COLOURS[:2])
    assert abs(first - second) > 30


def test_every_series_has_a_line_a_marker_and_a_hatch_of_its_own():
    for marks in (style.COLOURS, style.LINES, style.MARKERS, style.HATCHES):
        assert len(set(marks)) == len(marks) == len(style.COLOURS)


def test_sizes_are_millimetres():
    assert style.new_figure(style.DOUBLE, 60).get_size_inches() == pytest.approx([178 / 25.4, 60 / 25.4])
    with pytest.raises(VireidError, match=r"above 0 mm, got 85\.0 x 0"):
        style.new_figure(85.0, 0)
    with pytest.raises(VireidError, match="above 0 mm, got nan x 60"):
        style.new_figure(float("nan"), 60)


@style.look()
def drawn(title: str = "dist $δ$ of a_b") -> Figure:
    figure = style.new_figure(style.SINGLE, 40)
    axes = figure.add_subplot()
    axes.plot([0, 1], [1, 0])
    style.name_panel(axes, title)
    return figure


def test_both_files_are_written_with_text_as_text(tmp_path):
    png, svg = style.save_figure(drawn(), tmp_path / "made" / "here", "one.two-3")
    assert (png.name, svg.name) == ("one.two-3.png", "one.two-3.svg")
    assert sorted(file.name for file in png.parent.iterdir()) == [png.name, svg.name]
    with Image.open(png) as image:
        assert image.size == (int(85 / 25.4 * 300), int(40 / 25.4 * 300))
        assert image.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    texts = ["".join(node.itertext()) for node in ElementTree.parse(svg).iter("{http://www.w3.org/2000/svg}text")]
    assert "dist $δ$ of a_b" in texts
    assert not re.search(r"\d{4}-\d\d-\d\dT", svg.read_text())


def test_the_same_figure_is_the_same_bytes(tmp_path):
    first = style.save_figure(drawn(), tmp_path, "first")
    second = style.save_figure(drawn(), tmp_path, "second")
    for one, other in zip(first, second):
        assert one.read_bytes() == other.read_bytes()


def test_nothing_global_is_changed(tmp_path):
    before = dict(matplotlib.rcParams)
    style.save_figure(drawn(), tmp_path, "figure")
    with style.look():
        assert matplotlib.rcParams["font.size"] == 8
    with pytest.raises(VireidError):
        style.save_figure(drawn(), tmp_path, "no name")
    assert dict(matplotlib.rcParams) == before


@pytest.mark.parametrize("name", ["", "../up", "a/b", "/root", ".hidden", "a..b", "a b", "figure."])
def test_a_name_is_no_path(tmp_path, name):
    with pytest.raises(VireidError, match="a figure's name is made of letters"):
        style.save_figure(drawn(), tmp_path, name)
    assert not list(tmp_path.iterdir())


def test_long_titles_take_two_lines_and_end_in_dots():
    title = drawn("a run whose name says all of its settings " * 4).axes[0].get_title(loc="left")
    assert title.count("\n") == 1
    assert title.endswith("...")
    assert max(map(len, title.splitlines())) <= 40
    unbroken = drawn("x" * 200).axes[0].get_title(loc="left")
    assert max(map(len, unbroken.splitlines())) <= 40


def test_names_that_differ_at_the_end_stay_apart_when_they_are_cut():
    cut = [style.shorten_to_letters(f"mscmnet-small-without-mimb-seed-{number}", 12) for number in range(3)]
    assert cut == ["mscmne…eed-0", "mscmne…eed-1", "mscmne…eed-2"]
    assert style.shorten_to_letters("x" * 12, 12) == "x" * 12


def test_numbers_on_axes_are_large_enough_to_read():
    figure = drawn()
    figure.draw_without_rendering()
    sizes = [label.get_fontsize() for label in figure.axes[0].get_xticklabels()]
    assert min(sizes) >= 7
    assert np.isclose(figure.axes[0].title.get_fontsize(), 8.5)


def test_without_matplotlib_the_room_opens_and_says_what_to_install():
    code = (
        "import sys\n"
        "for name in ('matplotlib', 'sklearn', 'umap', 'captum'): sys.modules[name] = None\n"
        "import numpy as np\n"
        "import vireid.figures as figures\n"
        "from vireid.types import VireidError\n"
        "def said(function, *arguments, **options):\n"
        "    try: function(*arguments, **options)\n"
        "    except VireidError as error: print(error)\n"
        "said(figures.new_figure)\n"
        "said(figures.draw_cmc, {'a': np.ones(20)})\n"
        "said(figures.project, np.eye(5))\n"
        "said(figures.project, np.eye(5), method='umap')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    missing = "takes the package matplotlib, which is not installed: in a checkout of vireid, pip install '.[report]'"
    for line in lines[:2]:
        assert missing in line
    assert "pip install '.[report]'" in lines[2]
    assert "pip install '.[umap]'" in lines[3]
