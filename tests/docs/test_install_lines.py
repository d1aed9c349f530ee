"""No page sends a reader to a package that nobody of ours has published."""

import re


def test_pages_install_from_a_checkout(pages):
    wrong = {
        page: found
        for page, text in pages.items()
        if page.startswith("docs/") and (found := re.findall(r"pip install ['\"]?vireid\b[^\n`]*", text))
    }
    assert not wrong
    assert "Install from a checkout of the repository: `pip install .` in it" in pages["docs/index.md"]
