"""How the command line shows progress and results: results on standard output, progress on standard error."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from vireid.types import printable

__all__ = [
    "TimeColumn",
    "console",
    "printable",
    "progress_bar",
    "progress_console",
    "quiet_unless_first",
    "say",
    "shown_while",
]

console = Console(highlight=False)
"""What a command found: on standard output, so that it can be kept in a file."""

progress_console = Console(highlight=False, stderr=True)
"""What a command is doing: on standard error, so that it stays out of that file."""


def say(text: str, *, style: str = "", indent: str = "", to: Console = console) -> None:
    """Print text as it is: on a terminal wrapped between words, in a file each line whole, so that it can be searched.

    Args:
        indent: of what goes on in a further line, beyond the line's own.
    """
    for line in text.splitlines():
        if to.is_terminal:
            own = line[: len(line) - len(line.lstrip())]
            # A path or a command must stay one word: it is copied from the terminal.
            line = textwrap.fill(
                line,
                max(to.width, 40),
                subsequent_indent=own + indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
        to.print(Text(line, style=style), soft_wrap=True)


def quiet_unless_first(first: bool) -> None:
    """Let only the first of several processes show results and progress; errors are shown by all."""
    console.quiet = progress_console.quiet = not first


class TimeColumn(ProgressColumn):
    """Time left while there is something left, then the time that it took."""

    def render(self, task: Task) -> Text:
        """The text of a row."""
        if task.finished:
            return Text(f"in {_clock(task.finished_time or 0)}")
        return Text(f"{_clock(task.elapsed or 0)}, {_clock(task.time_remaining)} left")


@contextmanager
def progress_bar(description: str, unit: str = "images") -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left; yields what the library's ``progress`` arguments take: done and total.

    After an error no bar is left behind, and none where nothing was counted.
    """
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeColumn(),
        speed_estimate_period=60,
        auto_refresh=False,
    )
    task = progress.add_task(description, total=None, rate="")
    began = time.monotonic()

    def update(done: int, total: int) -> None:
        rate = done / max(time.monotonic() - began, 1e-9)
        progress.update(task, completed=done, total=total, rate=f"{rate:.0f} {unit}/s" if done else "")

    with shown_while(progress) as live:
        yield update
        live.transient = progress.tasks[task].total is None


@contextmanager
def shown_while(content: RenderableType) -> Iterator[Live]:
    """Show something that changes until the block ends, and leave its last state behind unless the block fails."""
    live = Live(content, console=progress_console, refresh_per_second=4, redirect_stdout=False, redirect_stderr=False)
    with live:
        try:
            yield live
        except BaseException:
            live.transient = True
            raise
    if not (progress_console.is_interactive or live.transient):
        # Without a terminal the last state is printed without the end of its line.
        progress_console.print()


def _clock(seconds: float | None) -> str:
    if seconds is None:
        return "-:--"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
