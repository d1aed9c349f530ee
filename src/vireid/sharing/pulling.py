"""A shared run from the Hub, as a run directory that every command takes."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from vireid.evaluation import read_results
from vireid.models import load_network
from vireid.sharing.fetching import check_hashes, fetch
from vireid.sharing.shared_files import is_shared
from vireid.training import read_run
from vireid.types import VireidError

__all__ = ["pull"]


def pull(
    name: str, run: Path, *, revision: str | None = None, sha256: str | None = None, token: str | bool | None = None
) -> Path:
    """Make a run directory of a shared run, whole or not at all.

    The files are fetched into the Hub's cache, where a broken download goes on the next time, copied beside ``run``,
    held to their hashes, and read once, the network too; only then they take their place.

    Args:
        name: ``namespace/name``.
        run: the directory to make; it may be there, if it is empty.
        revision: branch, tag or commit; ``main`` by default.
        sha256: that the weights must have, from a place that you trust.
        token: None for the usual places.

    Returns:
        ``run``.

    Raises:
        VireidError: something is at ``run``, it cannot be written, and see `vireid.sharing.fetching.fetch`,
            `vireid.sharing.fetching.check_hashes` and `vireid.models.load_network`.
    """
    run = Path(run)
    if run.exists() and (not run.is_dir() or any(run.iterdir())):
        raise VireidError(f"a pulled run needs a folder of its own, but {run} holds something already; choose another")
    snapshot = fetch(name, revision=revision, token=token)
    try:
        run.parent.mkdir(parents=True, exist_ok=True)
        holder = Path(tempfile.mkdtemp(prefix=f".{run.name}.", dir=run.parent))
    except OSError as error:
        raise VireidError(f"cannot write beside {run}: {error.strerror or error}") from error
    try:
        # The holder is private to this process; what it holds has the permissions of any new folder.
        draft = holder / run.name
        draft.mkdir()
        copy_shared(snapshot, draft)
        check_hashes(draft, sha256=sha256, required=True)
        load_network(draft)
        read_results(draft)
        read_run(draft)
        draft.replace(run)
    except OSError as error:
        raise VireidError(f"cannot write {run}: {error.strerror or error}; nothing was left there") from error
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    return run


def copy_shared(source: Path, target: Path) -> None:
    """Copy the files of a run that are shared, as files and not as links."""
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if file.is_file() and is_shared(name):
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / name)
