"""``vireid card``, ``vireid push`` and ``vireid pull``: a run for others, and from others."""

from __future__ import annotations

from pathlib import Path

from vireid.cli.console import say
from vireid.cli.sharing_config import CardConfig, PullConfig, PushConfig
from vireid.sharing import pull, shared_files, write_card
from vireid.sharing.hub import check_name
from vireid.sharing.pushing import push_files
from vireid.types import VireidError

__all__ = ["card_command", "pull_command", "push_command", "refresh_card"]


def card_command(config: CardConfig) -> None:
    """Write the card, and say where.

    Raises:
        VireidError: see `vireid.sharing.write_card`.
    """
    say(f"card in {write_card(config.run, license=config.license, overwrite=config.overwrite)}")


def refresh_card(run: Path) -> None:
    """Bring the card of a run up to date; one that its owner changed between the marks stays, and a line says so."""
    try:
        write_card(run)
    except VireidError as error:
        say(f"the card was not brought up to date: {error}")


def push_command(config: PushConfig) -> None:
    """Upload, or list what would be uploaded.

    Raises:
        VireidError: see `vireid.sharing.push`.
    """
    check_name(config.name)
    who = "everybody" if config.public else "you and whom you let"
    files = shared_files(config.run, name=config.name, license=config.license, include_log=config.include_log)
    say(f"{'would go' if config.dry_run else 'sending'} to {config.name}, to be seen by {who}:")
    for file in files:
        say(f"  {file.name:<60} {file.bytes:>14,} bytes")
    if config.dry_run:
        say("nothing was sent")
        return
    address = push_files(files, config.name, private=not config.public, message=config.message)
    say(f"sent: {len(files)} files are at {address}")


def pull_command(config: PullConfig) -> None:
    """Fetch, check and put in place; say what to do next.

    Raises:
        VireidError: see `vireid.sharing.pull`.
    """
    run = pull(config.name, config.run, revision=config.revision, sha256=config.sha256)
    say(f"{config.name} is in {run}; its hashes are right and its weights fit")
    say(f"next: read {run / 'README.md'}, then vireid search --checkpoint {run} --queries night.jpg --gallery crops")
