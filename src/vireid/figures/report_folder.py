"""The folder of a report: put in place whole, and never over files of another kind."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vireid.types import VireidError, naming_place

__all__ = ["FIGURES", "GENERATOR", "PAGE", "check_report_folder", "report_folder"]

PAGE = "report.html"
"""Name of the page in a report's folder."""

FIGURES = "figures"
"""Name of the folder of pictures beside the page."""

GENERATOR = '<meta name="generator" content="vireid report">'
"""What tells the page of a report from any other."""

_HEAD = 2000

# As the template writes it; no caption can, since what it holds is escaped.
_NAMED = re.compile(rf'<span class="file">{FIGURES}/([\w.-]+)\.png and \.svg</span>')


def check_report_folder(out: Path) -> None:
    """Refuse a place where a report would destroy something; a free one, an empty folder and an earlier report pass.

    Raises:
        VireidError: a file, the folder that the process works in, or a folder with other files.
    """
    if out.exists() and not out.is_dir():
        raise VireidError(f"a report needs a folder of its own, but {out} is a file; choose another")
    if out.resolve() == Path.cwd():
        raise VireidError("a report needs a folder of its own, not the one that you work in; name one inside it")
    if not out.exists():
        return
    page, figures = out / PAGE, out / FIGURES
    named = _pictures_of(page)
    entries = [each for each in out.iterdir() if each != figures and (each != page or named is None)]
    if figures.is_dir() and not figures.is_symlink() and named is not None:
        entries += [each for each in figures.iterdir() if each.name not in named or not _is_plain(each)]
    elif figures.exists() or figures.is_symlink():
        entries.append(figures)
    foreign = sorted(entries, key=lambda each: (each != page, each))
    if foreign:
        raise VireidError(
            f"a report needs a folder of its own, but {out} holds {foreign[0].relative_to(out)}, which is of no "
            "earlier report; choose another folder"
        )


def _pictures_of(page: Path) -> set[str] | None:
    """Names of the files of pictures that an earlier report says it wrote; None where there is no page of a report."""
    if not _is_plain(page):
        return None
    text = page.read_text(encoding="utf-8", errors="replace")
    return (
        {f"{name}.{kind}" for name in _NAMED.findall(text) for kind in ("png", "svg")}
        if GENERATOR in text[:_HEAD]
        else None
    )


def _is_plain(file: Path) -> bool:
    return file.is_file() and not file.is_symlink()


@contextmanager
def report_folder(out: Path) -> Iterator[Path]:
    """Hand out a folder to build a report in, and put it in place only when the block ends well.

    Who opens ``out`` sees the earlier report or the new one; after an error the earlier one is as it was.

    Args:
        out: where the report goes; see `check_report_folder`.

    Raises:
        VireidError: see `check_report_folder`, or the folder cannot be made or put in place.
    """
    check_report_folder(out)
    out = out.resolve()
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise VireidError(f"cannot make a report in {out}: {error.strerror or error}; choose another folder") from error
    try:
        # Inside the private folder, so that it has the permissions of any new folder.
        draft = beside / "new"
        draft.mkdir()
        with naming_place(out):
            yield draft
        check_report_folder(out)  # a report takes minutes, in which others may write files there
        _put_in_place(draft, out, beside / "before")
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _put_in_place(draft: Path, out: Path, before: Path) -> None:
    try:
        if not out.exists():
            draft.rename(out)
            return
        out.rename(before)
        try:
            draft.rename(out)
        except OSError:
            before.rename(out)
            raise
    except OSError as error:
        raise VireidError(
            f"cannot put the report in {out}: {error.strerror or error}; choose another folder"
        ) from error
