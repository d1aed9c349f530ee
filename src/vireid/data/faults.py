"""One thing that is wrong with data on disk, said the same way by readers and by the doctor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from vireid.types import VireidError

__all__ = ["Fault", "FaultError", "Severity"]

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong, where, and what to do about it.

    Attributes:
        severity: ``error`` when a run would fail or be wrong, ``warning`` when it may surprise, ``note`` to be
            known.
        what: the rule and what came instead.
        where: the first few files, folders or identities concerned.
        count: how many are concerned in all.
        what_to_do: how the user can mend it.
    """

    severity: Severity
    what: str
    where: tuple[str, ...]
    count: int
    what_to_do: str

    def __str__(self) -> str:
        more = self.count - len(self.where)
        places = ", ".join(self.where) + (f" and {more} more" if more > 0 else "")
        return f"{self.what}{f' ({places})' if places else ''}; {self.what_to_do}"


class FaultError(VireidError):
    """A fault that a reader cannot go on with; the message is the fault's sentence.

    Args:
        what: the rule and what came instead.
        where: every file, folder or identity concerned; the message names the first five.
        what_to_do: how the user can mend it.
    """

    def __init__(self, what: str, *, where: Sequence[str] = (), what_to_do: str) -> None:
        self.fault = Fault(severity="error", what=what, where=tuple(where[:5]), count=len(where), what_to_do=what_to_do)
        super().__init__(str(self.fault))

    def __reduce__(self) -> tuple[object, ...]:
        # Exceptions are rebuilt from their arguments; keyword arguments would be lost on the way out of a process pool.
        return (_rebuild, (self.fault,))


def _rebuild(fault: Fault) -> FaultError:
    error = FaultError(fault.what, what_to_do=fault.what_to_do)
    error.fault = fault
    error.args = (str(fault),)
    return error
