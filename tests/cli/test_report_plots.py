"""Which plots a report can draw here."""

import importlib
import sys

import pytest

from vireid.cli.report_plots import is_umap_installed


@pytest.mark.parametrize(("left", "installed"), [("umap/__pycache__", False), ("umap", True), ("other", False)])
def test_what_is_left_of_umap_is_not_umap(tmp_path, monkeypatch, left, installed):
    folder = tmp_path / left
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    importlib.invalidate_caches()
    assert is_umap_installed() == installed
