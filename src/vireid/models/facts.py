"""What weights say of themselves beside their network, from whomever they come."""

from __future__ import annotations

from typing import Any

from vireid.types import VireidError

__all__ = ["check_facts"]

_WORDS = ("dataset", "checkpoint_rule", "recipe", "reconstruction")
_NUMBERS = ("trial", "seed")


def check_facts(facts: Any, source: object) -> dict[str, Any]:
    """The facts themselves, once those that results name are known to be words and whole numbers, or absent.

    Args:
        facts: as they stand in the file.
        source: the file, for the message.

    Raises:
        VireidError: no object, or a fact of another kind.

    >>> check_facts({"dataset": "regdb", "trial": 3}, "w.safetensors")
    {'dataset': 'regdb', 'trial': 3}
    """
    mend = "save the network again"
    if not isinstance(facts, dict):
        raise VireidError(f"the facts in {source} must be an object, got {type(facts).__name__}; {mend}")
    for names, kind, said in ((_WORDS, str, "words"), (_NUMBERS, int, "a whole number")):
        for name in names:
            if not (facts.get(name) is None or type(facts[name]) is kind):
                raise VireidError(
                    f"the facts in {source} must give the {name} as {said}, got {type(facts[name]).__name__}; {mend}"
                )
    return facts
