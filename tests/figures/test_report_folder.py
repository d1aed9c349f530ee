from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vireid.figures.report import Picture, Report, Section, render_report
from vireid.figures.report_folder import FIGURES, PAGE, check_report_folder, report_folder
from vireid.types import VireidError

NAMES = ("cmc", "ranked")


def make(out: Path, words: str, *figures: str) -> None:
    with report_folder(out) as draft:
        pictures = [Picture(png=Path(f"{n}.png"), svg=Path(f"{n}.svg"), alt="", caption=words) for n in NAMES]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("vireid.figures.report._address", lambda picture: "")
            patch.setattr("vireid.figures.report._size", lambda picture: (1, 1))
            page = render_report(Report(title=words, sections=[Section(title="All", pictures=pictures)]))
        (draft / PAGE).write_text(page)
        (draft / FIGURES).mkdir()
        for name in figures:
            (draft / FIGURES / name).write_text("")


def test_a_second_report_replaces_the_first_and_leaves_nothing_beside_it(tmp_path):
    out = tmp_path / "deep" / "report"
    make(out, "first", "cmc.png", "ranked.svg")
    make(out, "second", "cmc.png")
    assert "second" in (out / PAGE).read_text()
    assert [file.name for file in (out / FIGURES).iterdir()] == ["cmc.png"]
    assert list(out.parent.iterdir()) == [out]
    assert out.stat().st_mode & 0o777 == tmp_path.joinpath("deep").stat().st_mode & 0o777


def test_an_error_leaves_the_earlier_report_as_it_was(tmp_path):
    out = tmp_path / "report"
    make(out, "first")

    def fail() -> None:
        with report_folder(out) as draft:
            (draft / PAGE).write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert "first" in (out / PAGE).read_text()
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "report").mkdir()
    make(tmp_path / "report", "first")
    assert (tmp_path / "report" / PAGE).is_file()


@pytest.mark.parametrize(
    "foreign",
    ["notes.txt", f"{FIGURES}/mine.py", f"{FIGURES}/mine.png", f"{FIGURES}/Fig 1.svg", f"{FIGURES}/deep/a.png"],
)
def test_a_folder_with_other_files_is_refused_and_kept(tmp_path, foreign):
    make(tmp_path / "report", "first", "cmc.png")
    file = tmp_path / "report" / foreign
    file.parent.mkdir(exist_ok=True)
    file.write_text("mine")
    with pytest.raises(VireidError, match=rf"holds {foreign.removesuffix('/a.png')}, which is of no earlier report"):
        make(tmp_path / "report", "second")
    assert file.read_text() == "mine"
    assert "first" in (tmp_path / "report" / PAGE).read_text()


def test_a_page_or_pictures_that_no_report_made_are_refused(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / PAGE).write_text("<html>my own page")
    with pytest.raises(VireidError, match=r"holds report\.html, which is of no earlier report"):
        check_report_folder(tmp_path / "site")
    (tmp_path / "paper" / FIGURES).mkdir(parents=True)
    (tmp_path / "paper" / FIGURES / "mine.png").write_text("")
    with pytest.raises(VireidError, match="holds figures, which is of no earlier report"):
        check_report_folder(tmp_path / "paper")


def test_what_only_has_the_name_of_a_page_or_of_a_picture_is_refused_and_kept(tmp_path):
    (tmp_path / "site" / PAGE).mkdir(parents=True)
    (tmp_path / "site" / PAGE / "thesis.txt").write_text("mine")
    with pytest.raises(VireidError, match=r"holds report\.html, which is of no earlier report"):
        make(tmp_path / "site", "second")
    assert (tmp_path / "site" / PAGE / "thesis.txt").read_text() == "mine"
    make(tmp_path / "linked", "first")
    page = (tmp_path / "linked" / PAGE).rename(tmp_path / "elsewhere.html")
    (tmp_path / "linked" / PAGE).symlink_to(page)
    with pytest.raises(VireidError, match=r"holds report\.html, which is of no earlier report"):
        check_report_folder(tmp_path / "linked")
    make(tmp_path / "report", "first")
    (tmp_path / "report" / FIGURES / "cmc.png").mkdir()
    with pytest.raises(VireidError, match=r"holds figures/cmc\.png, which is of no earlier report"):
        check_report_folder(tmp_path / "report")


def test_files_that_come_while_a_report_is_made_are_kept(tmp_path):
    out = tmp_path / "report"

    def be_late() -> None:
        with report_folder(out) as draft:
            (draft / PAGE).write_text("new")
            out.mkdir()
            (out / "late.txt").write_text("mine")

    with pytest.raises(VireidError, match=r"holds late\.txt"):
        be_late()
    assert [file.name for file in out.iterdir()] == ["late.txt"]


def test_a_file_and_the_working_folder_are_refused(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(VireidError, match="file is a file; choose another"):
        check_report_folder(tmp_path / "file")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(VireidError, match="not the one that you work in"):
        check_report_folder(Path())


def test_a_place_that_cannot_be_written_to_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(VireidError, match="cannot make a report in"), report_folder(tmp_path / "file" / "report"):
        pass


def test_a_full_disk_is_told_with_the_folder_of_the_report(tmp_path):
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with (
        pytest.raises(OSError, match=f"No space left on device: '{tmp_path / 'report'}'"),
        report_folder(tmp_path / "report"),
    ):
        raise full
    assert list(tmp_path.iterdir()) == []
