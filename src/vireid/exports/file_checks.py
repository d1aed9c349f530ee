"""Whether a file is the entry point that ``export.json`` describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vireid.exports.export_facts import ExportFacts
from vireid.types import Modality, VireidError

__all__ = ["check_file"]


def check_file(
    facts: ExportFacts,
    modality: Modality,
    *,
    metadata: Mapping[str, str],
    inputs: Mapping[str, tuple[str, Sequence[object]]],
    outputs: Mapping[str, tuple[str, Sequence[object]]],
) -> None:
    """Refuse a file whose own metadata or shapes are not those of ``export.json``.

    Hashes alone do not tell: whoever exchanges two files, or changes a line, can write the hashes anew.

    Args:
        facts: what ``export.json`` says.
        modality: whose entry point the file should be.
        metadata: what stands in the file.
        inputs: of its graph, by name: the type of numbers, and the sides; a side that is no integer is any number.
        outputs: as the inputs.

    Raises:
        VireidError: as said.
    """
    mend = "the two are not of one export: copy the folder again, or export the run again"
    for key, said in facts.metadata(modality).items():
        if metadata.get(key) != said:
            found = f"{metadata[key]!r}" if metadata.get(key) else "nothing"
            raise VireidError(
                f"by export.json, {key} of the {modality.value} entry point is {said!r}, but its file says {found}; "
                f"{mend}"
            )
    for kind, found, wanted in (
        ("takes", inputs, {"pixels": ("uint8", (None, 3, *facts.image_size))}),
        ("puts out", outputs, {"embedding": ("float32", (None, facts.dimension))}),
    ):
        if _in_words(found) != _in_words(wanted):
            raise VireidError(
                f"by export.json, the {modality.value} entry point {kind} {_in_words(wanted)}, but its file "
                f"{_in_words(found)}; {mend}"
            )


def _in_words(values: Mapping[str, tuple[str, Sequence[object]]]) -> str:
    return ", ".join(
        f"{name} ({kind}, {' x '.join(str(side) if isinstance(side, int) else 'any' for side in sides)})"
        for name, (kind, sides) in values.items()
    )
