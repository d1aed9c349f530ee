"""A shared run in memory: its network and what belongs to it, by the Hub's own interface."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from huggingface_hub import ModelHubMixin

from vireid.models import Network, load_network
from vireid.sharing.fetching import check_hashes, fetch
from vireid.sharing.pushing import push
from vireid.sharing.shared_files import shared_files
from vireid.types import VireidError, write_atomically

__all__ = ["SharedNetwork", "from_pretrained"]


def from_pretrained(
    name_or_run: str | Path,
    *,
    revision: str | None = None,
    sha256: str | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
    token: str | bool | None = None,
) -> tuple[Network, dict[str, Any]]:
    """The network of a shared run, in evaluation mode on the CPU, and its facts.

    A directory is read as it lies, with no network. A name is fetched into the Hub's cache; with ``local_files_only``
    or ``HF_HUB_OFFLINE=1`` it is taken from there. Nothing but tensors and JSON is read, and no code is run.

    Args:
        name_or_run: a run directory, or ``namespace/name`` on the Hub.
        revision: branch, tag or commit; ``main`` by default.
        sha256: that the weights must have, from a place that you trust; a fetched run is held to its own list anyway.
        cache_dir, force_download, local_files_only, token: as `huggingface_hub.snapshot_download` takes them.

    Raises:
        VireidError: no such run, weights with another hash, or what `vireid.sharing.fetching.fetch` and
            `vireid.models.load_network` refuse.
    """
    folder = _checked_folder(
        name_or_run,
        sha256=sha256,
        revision=revision,
        cache_dir=cache_dir,
        force_download=force_download,
        local_files_only=local_files_only,
        token=token,
    )
    return load_network(folder)


class SharedNetwork(
    ModelHubMixin,
    library_name="vireid",
    pipeline_tag="image-feature-extraction",
    tags=["person-re-identification", "visible-infrared"],
):
    """A run with its network, as code that knows huggingface_hub's mixin expects one; `from_pretrained` makes it.

    Args:
        network: in evaluation mode.
        facts: what was saved with its weights.
        run: the directory that it was read from, which is shared as it is.

    Deviation from the mixin, whose three public methods are replaced: its `push_to_hub` makes public repositories
    unless told; its `from_pretrained` fetches and reads ``config.json`` before anything is checked, and makes
    arguments of its keys; its `save_pretrained` deletes the ``config.json`` of the folder it is given.
    """

    def __init__(self, network: Network, facts: dict[str, Any], run: Path) -> None:
        self.network = network
        self.facts = facts
        self.run = run

    @classmethod
    def from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        pretrained_model_name_or_path: str | Path,
        *,
        force_download: bool = False,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        revision: str | None = None,
        sha256: str | None = None,
    ) -> SharedNetwork:
        """See `vireid.sharing.from_pretrained`.

        Raises:
            VireidError: see there.
        """
        return cls._from_pretrained(
            model_id=str(pretrained_model_name_or_path),
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
            sha256=sha256,
        )

    @classmethod
    def _from_pretrained(  # pyright: ignore[reportIncompatibleMethodOverride]
        cls,
        *,
        model_id: str,
        revision: str | None,
        cache_dir: str | Path | None,
        force_download: bool,
        local_files_only: bool,
        token: str | bool | None,
        sha256: str | None = None,
    ) -> SharedNetwork:
        folder = _checked_folder(
            model_id,
            sha256=sha256,
            revision=revision,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            token=token,
        )
        return cls(*load_network(folder), folder)

    def save_pretrained(self, save_directory: str | Path) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Write what `push` would upload into a folder that is new or empty.

        Raises:
            VireidError: something is there, or see `vireid.sharing.shared_files`.
        """
        folder = Path(save_directory)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise VireidError(f"a shared run needs a folder of its own, but {folder} holds something; choose another")
        self._save_pretrained(folder)

    def _save_pretrained(self, save_directory: Path) -> None:
        for file in shared_files(self.run):
            content = file.content if isinstance(file.content, bytes) else file.content.read_bytes()
            with write_atomically(save_directory / file.name) as draft:
                draft.write_bytes(content)

    def push_to_hub(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        repo_id: str,
        *,
        commit_message: str | None = None,
        private: bool | None = True,
        token: str | bool | None = None,
        license: str | None = None,
    ) -> str:
        """Upload the run; see `vireid.sharing.push`, whose address of the commit comes back.

        Raises:
            VireidError: see there; ``private=None``, which would leave it to the Hub who may see it.
        """
        if private is None:
            raise VireidError("say who may see the model: private=True, or False for everybody")
        return push(self.run, repo_id, private=private, license=license, message=commit_message, token=token)


def _checked_folder(name_or_run: str | Path, *, sha256: str | None, revision: str | None, **options: Any) -> Path:
    """Where the run lies, its hashes checked: of the weights in a directory, of all files in what was fetched."""
    folder = Path(name_or_run)
    fetched = not folder.is_dir()
    if fetched:
        if isinstance(name_or_run, Path) or name_or_run.startswith(("/", ".", "~")):
            raise VireidError(
                f"there is no run directory {name_or_run}; name one, or a model on the Hub as NAMESPACE/NAME"
            )
        folder = fetch(name_or_run, revision=revision, **options)
    elif revision is not None:
        raise VireidError(f"{folder} is a directory and has no revisions; leave revision out")
    check_hashes(folder, sha256=sha256, required=fetched)
    return folder
