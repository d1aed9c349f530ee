"""Who may do what: bearer tokens, of which only hashes are kept."""

from __future__ import annotations

import enum
import hashlib
import hmac
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vireid.types import VireidError, write_atomically

__all__ = ["Caller", "Role", "Tokens", "add_token", "new_token", "single_admin"]

_HASH = re.compile("[0-9a-f]{64}")
_NAME = re.compile(r"[^\s\x00-\x1f\x7f]{1,100}")


class Role(enum.Enum):
    """What a caller may do; each role may do all that the one before may."""

    READER = "reader"
    OPERATOR = "operator"
    ADMIN = "admin"

    def allows(self, needed: Role) -> bool:
        """Whether this role may do what the other may.

        >>> Role.ADMIN.allows(Role.READER), Role.READER.allows(Role.OPERATOR)
        (True, False)
        """
        order = list(Role)
        return order.index(self) >= order.index(needed)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    name: str
    role: Role


class Tokens:
    """The callers of a service by the SHA-256 of their tokens.

    Args:
        hashes: SHA-256 of each token, 64 lower-case hexadecimal digits, and whose it is.

    Raises:
        VireidError: no tokens at all.
    """

    def __init__(self, hashes: Sequence[tuple[str, Caller]]) -> None:
        if not hashes:
            raise VireidError("a service needs at least one token; make one with `vireid token NAME --role admin`")
        self._hashes = tuple(hashes)

    @classmethod
    def load(cls, file: Path) -> Tokens:
        """Read a token file, as `add_token` writes it.

        Raises:
            VireidError: no such file, or not of that form.
        """
        return cls([(entry["sha256"], Caller(entry["name"], Role(entry["role"]))) for entry in _read(file)])

    def caller(self, token: str) -> Caller | None:
        """Whose token it is, None for nobody's. Takes the same time whichever it is."""
        presented = _hash(token)
        found = None
        for known, caller in self._hashes:
            if hmac.compare_digest(known, presented):
                found = caller
        return found


def new_token() -> str:
    """256 random bits as text."""
    return secrets.token_urlsafe(32)


def single_admin(token: str) -> Tokens:
    """One token whose holder may do everything."""
    return Tokens([(_hash(token), Caller("local", Role.ADMIN))])


def add_token(file: Path, name: str, role: Role) -> str:
    """Make a token, put its hash into a token file, and return the token: it is kept nowhere.

    The file is JSON: ``{"tokens": [{"name": ..., "role": ..., "sha256": ...}]}``. To withdraw a token, remove its
    entry and start the service anew.

    Args:
        file: made where it is not there.
        name: of the holder, as the audit log will call them.
        role: what the holder may do.

    Raises:
        VireidError: a name that is taken, empty, with spaces or of more than 100 letters, or a file that cannot be read
            or written.
    """
    if not _NAME.fullmatch(name):
        raise VireidError(f"the name of a token is 1 to 100 letters without spaces, got {name!r}")
    entries = _read(file) if file.exists() else []
    if any(entry["name"] == name for entry in entries):
        raise VireidError(f"{file} has a token of {name!r} already; remove its entry first, or take another name")
    token = new_token()
    entries.append({"name": name, "role": role.value, "sha256": _hash(token)})
    with write_atomically(file) as draft:
        draft.write_text(json.dumps({"tokens": entries}, indent=1) + "\n", encoding="utf-8")
    return token


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _read(file: Path) -> list[dict[str, str]]:
    rule = 'a token file is JSON, {"tokens": [{"name": ..., "role": "reader|operator|admin", "sha256": ...}, ...]}'
    try:
        entries: Any = json.loads(file.read_bytes())["tokens"]
        for entry in entries:
            if set(entry) != {"name", "role", "sha256"} or not _NAME.fullmatch(entry["name"]):
                raise ValueError(f"got {entry}")
            Role(entry["role"])
            if not _HASH.fullmatch(entry["sha256"]):
                raise ValueError(f"the SHA-256 of {entry['name']!r} is not 64 lower-case hexadecimal digits")
        names = [entry["name"] for entry in entries]
        if len(set(names)) < len(names):
            raise ValueError("a name stands twice")
    except FileNotFoundError:
        raise VireidError(f"there is no token file {file}; `vireid token NAME --tokens {file}` makes one") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise VireidError(f"{rule}; {file} is not: {error}") from error
    return entries
