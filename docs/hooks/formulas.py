"""Formulas as drawn outlines: they need no script and no font of the reader's, and take on the text's colour."""

from __future__ import annotations

import functools
import html
import re

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path
from matplotlib.textpath import TextToPath
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.pages import Page

# What arithmatex leaves in a page, inline and on a line of its own.
FORMULA = re.compile(r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>', re.DOTALL)
# An operator with what stands beneath it.
OPERATOR = re.compile(r"(\\(?:sum|max|min|mathrm\{\w+\})_(?:\w|\{(?:[^{}]|\{[^{}]*\})*\}))")
LETTERS = {
    Path.MOVETO: "M",
    Path.LINETO: "L",
    Path.CURVE3: "Q",
    Path.CURVE4: "C",
    Path.CLOSEPOLY: "Z",
}


def on_page_content(content: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Draw the formulas of a page."""
    return FORMULA.sub(lambda match: _placed(match[1], html.unescape(match[2])), content)


def _placed(element: str, formula: str) -> str:
    formula = " ".join(formula.split())
    # A comma after a drawing stays on its line.
    joined = "&#8288;" if element == "span" else ""
    return f'<{element} class="formula">{draw(formula)}</{element}>{joined}'


@functools.cache
def draw(formula: str) -> str:
    """An SVG of a formula in TeX's notation, as tall as the text around it.

    Raises:
        ValueError: the formula cannot be read.
    """
    size = 100.0
    paths = TextToPath()
    font = FontProperties(family="DejaVu Sans", math_fontfamily="cm", size=size)
    # The library that draws wants the braces that TeX lets one leave out, and sets what follows a sum too close.
    braced = re.sub(r"\\t?frac(\w)(\w)", r"\\frac{\1}{\2}", formula)
    text = "$" + OPERATOR.sub(r"\1\\,", braced) + "$"
    scale = paths.FONT_SCALE / size
    width, height, depth = (length * scale for length in paths.get_text_width_height_descent(text, font, ismath=True))
    vertices, codes = paths.get_text_path(font, text, ismath=True)
    strokes = Path(vertices, codes).iter_segments(simplify=False, curves=True)
    outline = "".join(_stroke(LETTERS[code], points.reshape(-1, 2)) for points, code in strokes)
    em = paths.FONT_SCALE / 1.12  # its letters are small beside those of the text
    box = f"0 {depth - height:.0f} {width:.0f} {height:.0f}"
    return (
        f'<svg role="img" aria-label="{html.escape(formula)}" viewBox="{box}" '
        f'style="width:{width / em:.3f}em;height:{height / em:.3f}em;vertical-align:{-depth / em:.3f}em">'
        f'<path fill="currentColor" d="{outline}"/></svg>'
    )


def _stroke(letter: str, points: np.ndarray) -> str:
    return letter if letter == "Z" else letter + " ".join(f"{x:.0f} {-y:.0f}" for x, y in points)
