"""A shared run from the Hub: listed and bounded before it is fetched, held to its hashes before it is read."""

from __future__ import annotations

import json
from pathlib import Path, PurePosixPath

from huggingface_hub import HfApi, constants, snapshot_download

from vireid.evaluation.stored_results import RESULTS
from vireid.models import WEIGHTS, weights_file
from vireid.sharing.card_file import CARD
from vireid.sharing.hub import TIMEOUT, check_name, talking_to_hub
from vireid.sharing.shared_files import CHECKSUMS, is_shared
from vireid.training.log import LOG
from vireid.training.run_record import CONFIG
from vireid.types import VireidError, sha256_of

__all__ = ["check_hashes", "fetch", "shared_names"]

LARGEST_WEIGHTS = 8 << 30
LARGEST_OTHER = 64 << 20
MOST_FILES = 500

PATTERNS = [WEIGHTS, CONFIG, CARD, LOG, CHECKSUMS, f"{RESULTS}/*.json"]
"""What a cached snapshot must hold where its repository has it."""


def fetch(
    name: str,
    *,
    revision: str | None = None,
    cache_dir: Path | str | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> Path:
    """Bring the files of a shared run into the Hub's cache; no other file of the repository is fetched.

    With ``local_files_only`` or ``HF_HUB_OFFLINE`` nothing is asked of the network.

    Args:
        name: ``namespace/name``.
        revision: branch, tag or commit; ``main`` by default.
        cache_dir: another cache than the Hub's usual one.
        force_download: fetch again what is in the cache.
        token: None for the usual places.

    Returns:
        The folder of the snapshot.

    Raises:
        VireidError: see `talking_to_hub`; a repository that holds no run, a name that leads out, a file too large, or
            of another size than stated.
    """
    check_name(name)
    if local_files_only or constants.HF_HUB_OFFLINE:
        with talking_to_hub(name):
            return Path(
                snapshot_download(
                    name, revision=revision, cache_dir=cache_dir, local_files_only=True, allow_patterns=PATTERNS
                )
            )
    with talking_to_hub(name):
        info = HfApi(token=token).model_info(name, revision=revision, files_metadata=True, timeout=TIMEOUT)
    sizes = {entry.rfilename: entry.size for entry in info.siblings or []}
    wanted = shared_names(name, sizes)
    with talking_to_hub(name):
        folder = Path(
            snapshot_download(
                name,
                revision=revision,
                cache_dir=cache_dir,
                force_download=force_download,
                token=token,
                allow_patterns=wanted,
            )
        )
    if folder.name != info.sha:
        raise VireidError(f"{name} was changed while it was fetched; try again")
    for each in wanted:
        # What the Hub states is its word alone: how much came is known only now.
        came = (folder / each).stat().st_size
        if came != sizes[each]:
            raise VireidError(
                f"{each} of {name} has {sizes[each]:,} bytes as the Hub states it, but {came:,} came; do not use it"
            )
    return folder


def shared_names(name: str, sizes: dict[str, int | None]) -> list[str]:
    """The files of a run among those of a repository.

    Args:
        name: of the repository, for messages.
        sizes: bytes of each file as the Hub states them, by its name.

    Raises:
        VireidError: a name that leads out of the repository, no weights, too many files, one too large.
    """
    for each in sizes:
        path = PurePosixPath(each)
        if path.is_absolute() or ".." in path.parts or "\\" in each or "\0" in each:
            raise VireidError(f"{name} holds a file named {each!r}, which leads elsewhere; do not use this repository")
    wanted = sorted(filter(is_shared, sizes))
    if WEIGHTS not in wanted:
        raise VireidError(f"{name} holds no run of vireid: it has no {WEIGHTS}; name a model that vireid push made")
    if len(wanted) > MOST_FILES:
        raise VireidError(f"{name} holds {len(wanted)} files of a run, more than the {MOST_FILES} that one can have")
    for each in wanted:
        limit = LARGEST_WEIGHTS if each == WEIGHTS else LARGEST_OTHER
        size = sizes[each]
        if size is None or not 0 <= size <= limit:
            raise VireidError(
                f"{each} of {name} has {'an unknown number of' if size is None else f'{size:,}'} bytes as the Hub "
                f"states it, and 0 to {limit:,} are fetched"
            )
    return wanted


def check_hashes(folder: Path, *, sha256: str | None = None, required: bool = False) -> None:
    """Hold the files of a run to the checksums beside them, and the weights to a hash from elsewhere.

    A run's own directory has no checksums before it is shared, and gathers results after.

    Args:
        sha256: that the weights must have, in hexadecimal digits.
        required: whether every file but the card must have its checksum, as in what `push` made; else the weights
            alone are held to theirs, where there is one.

    Raises:
        VireidError: no weights; a file with another hash, naming both; a file without one, where it is required.
    """
    listed = _listed(folder / CHECKSUMS)
    if required and not listed and sha256 is None:
        raise VireidError(f"{folder} has no {CHECKSUMS}, so nothing says that its weights are whole; pass sha256")
    found = sha256_of(weights_file(folder))
    if sha256 is not None and found != sha256.strip().lower():
        raise VireidError(
            f"the weights in {folder} must have the SHA-256 {sha256}, which you gave, but have {found}; they are not "
            "the ones that you mean: do not use them"
        )
    names = {WEIGHTS}
    if required:
        names |= {file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()}
    for name in sorted(filter(is_shared, names)) if listed else ():
        if name in (CHECKSUMS, CARD):
            continue
        digest = found if name == WEIGHTS else sha256_of(folder / name)
        if listed.get(name) != digest:
            raise VireidError(
                f"{folder / name} must have the SHA-256 {listed.get(name, 'that nobody wrote down')}, as {CHECKSUMS} "
                f"says, but has {digest}; it is not whole, or was changed: get it again, and do not use it"
            )


def _listed(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise VireidError(f"{file} is not a list of checksums: {error}; get it again") from error
    if not isinstance(content, dict) or not all(isinstance(digest, str) for digest in content.values()):
        raise VireidError(f"{file} is not a list of checksums: it must give a hash for each name; get it again")
    return content
