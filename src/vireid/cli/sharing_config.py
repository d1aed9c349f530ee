"""What card, push and pull are told; their flags are made of these."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from vireid.cli.config import Flag, Run

__all__ = ["CardConfig", "PullConfig", "PushConfig"]

Name = Annotated[str, arg(metavar="NAMESPACE/NAME")]
Licence = Annotated[
    str | None, arg(metavar="LICENSE", help_behavior_hint="(default: the card's, else none is claimed)")
]
OptionalText = Annotated[str | None, arg(metavar="TEXT", help_behavior_hint="")]


@dataclass(frozen=True, kw_only=True)
class CardConfig:
    """The card of a run."""

    run: Positional[Run]
    """Run directory."""
    license: Licence = None
    """Of the weights, as the Hub names it: mit, cc-by-nc-4.0, other. It is yours to choose."""
    overwrite: Flag = False
    """Write over a card that was changed by hand within its marks, or that vireid did not write."""


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """A run for the Hub."""

    run: Positional[Run]
    """Run directory."""
    name: Positional[Name]
    """Of the model on the Hub."""
    public: Flag = False
    """Let everybody see and fetch it; left out, it is private."""
    dry_run: Flag = False
    """List what would go, and send nothing."""
    license: Licence = None
    """Of the weights, as the Hub names it: mit, cc-by-nc-4.0, other. It is yours to choose."""
    message: OptionalText = None
    """Of the commit."""
    include_log: Flag = False
    """Send log.jsonl, too: the losses of each step."""


@dataclass(frozen=True, kw_only=True)
class PullConfig:
    """A run from the Hub."""

    name: Positional[Name]
    """Of the model on the Hub."""
    run: Positional[Run]
    """Run directory to make."""
    revision: OptionalText = None
    """Branch, tag or commit."""
    sha256: Annotated[str | None, arg(metavar="DIGITS", help_behavior_hint="")] = None
    """That the weights must have, from a place that you trust; else they are held to the repository's own list."""
