"""A run to the Hub, in one commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError

from vireid.sharing.card_file import CARD
from vireid.sharing.hub import TIMEOUT, check_name, talking_to_hub
from vireid.sharing.shared_files import SharedFile, is_shared, shared_files
from vireid.types import VireidError

__all__ = ["push", "push_files"]


def push(
    run: Path,
    name: str,
    *,
    private: bool = True,
    license: str | None = None,
    message: str | None = None,
    include_log: bool = False,
    token: str | bool | None = None,
) -> str:
    """Upload a run's weights, settings without paths, results, card and checksums; see `shared_files`.

    Results of an older push that are no longer the run's are removed in the same commit; other files stay.

    Args:
        name: ``namespace/name``; made if it is not there.
        private: True for you and whom you let; a repository that is there and otherwise is refused, not changed.
        message: of the commit.
        token: None for the usual places (``HF_TOKEN``, ``hf auth login``).

    Returns:
        The address of the commit.

    Raises:
        VireidError: a name of another form, a run that cannot be shared, a repository that is there and not as
            ``private`` says, metadata that the Hub does not take, no token, no right, no network.
    """
    check_name(name)
    files = shared_files(run, name=name, license=license, include_log=include_log)
    return push_files(files, name, private=private, message=message, token=token)


def push_files(
    files: Sequence[SharedFile],
    name: str,
    *,
    private: bool = True,
    message: str | None = None,
    token: str | bool | None = None,
) -> str:
    """Upload what `shared_files` made for this name; `push` does both.

    Args:
        name, private, message, token: see `push`.

    Returns:
        The address of the commit.

    Raises:
        VireidError: see `push`.
    """
    check_name(name)
    api = HfApi(token=token)
    with talking_to_hub(name, sending=True):
        try:
            there = api.model_info(name, timeout=TIMEOUT)
        except RepositoryNotFoundError:
            there = None
    if there is not None and bool(there.private) != private:
        raise VireidError(
            f"{name} is private already, which a push does not change; push without --public, then open it on its page"
            if there.private
            else f"{name} is public already: everybody may read what goes there; say --public, or take another name"
        )
    with talking_to_hub(name, sending=True):
        if there is None:
            api.create_repo(name, private=private)
        names = {file.name for file in files}
        held = [entry.rfilename for entry in (there.siblings or [])] if there else []
        operations = [
            CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=file.content)
            if isinstance(file.content, bytes)
            else CommitOperationAdd(path_in_repo=file.name, path_or_fileobj=str(file.content))
            for file in files
        ]
        gone = [CommitOperationDelete(path_in_repo=each) for each in held if is_shared(each) and each not in names]
        try:
            commit = api.create_commit(name, [*operations, *gone], commit_message=message or "Share a run of vireid")
        except HfHubHTTPError:
            raise
        except ValueError as error:
            said = " ".join(str(error).split())
            raise VireidError(
                f"the Hub takes no card like this ({said}); mend the lines between '---' in {CARD}, or --license"
            ) from error
    return commit.commit_url
