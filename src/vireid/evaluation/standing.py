"""Where a result of ours stands beside published ones: in which table, in which group, and whether it may at all."""

from __future__ import annotations

from dataclasses import dataclass

from vireid.evaluation.evaluation import Evaluation
from vireid.evaluation.protocol import Protocol

__all__ = ["DIRECTIONS", "PUBLISHED_SEARCHES", "TABLES", "Standing", "stand"]

TABLES = {"sysu": "SYSU-MM01", "regdb": "RegDB", "llcm": "LLCM"}
"""What published tables call the data sets."""

PUBLISHED_SEARCHES = {
    "sysu": (TABLES["sysu"], "all-search"),
    "regdb": (TABLES["regdb"], "infrared-to-visible"),
    "llcm": (TABLES["llcm"], "infrared-to-visible"),
}
"""What they call the searches that this library scores by default: table and setting."""

DIRECTIONS = {"v2i": "visible-to-infrared", "i2v": "infrared-to-visible"}
"""What they call the directions of the data sets that are searched both ways."""

# Boxes of LLCM's 351 test people. With its 16,946 visible and 13,975 infrared training boxes they are all 46,767. The
# paper prints no size of the drawn gallery, so that is not held against anything.
_LLCM_IMAGES = {"visible": 8680, "infrared": 7166}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """The place of one result.

    Attributes:
        dataset, setting: of the published table, as its rows name them.
        kind: the class of published rows that it belongs to, such as ``plain (flip at test)``.
        made_world: whether the images are of a made world, whatever their numbers are.
        deviations: why it may not stand beside the published rows although the images are theirs; empty if it may.
        counts: queries and gallery images, where these are not the data set's own; None where they are.
        official: the data set's own numbers, in words.
    """

    dataset: str
    setting: str
    kind: str
    made_world: bool
    deviations: tuple[str, ...]
    counts: tuple[int, int] | None
    official: str

    @property
    def comparable(self) -> bool:
        """Whether it may stand beside the published rows of its kind."""
        return not self.made_world and self.counts is None and not self.deviations

    def belongs_to(self, dataset: str, setting: str) -> bool:
        """Whether a table of that data set and setting is its place; an ablation's takes those of its search."""
        return (self.dataset, self.setting) == (dataset, setting.removeprefix("ablation "))


def stand(evaluation: Evaluation) -> Standing | None:
    """Find a result's place from what its own protocol and its counts say; None for a data set without a table.

    A made world is told by its own mark, which the protocol keeps; other data that only has a benchmark's layout, and
    worlds that were made before there was a mark, by the numbers of queries, of queries with a match and of gallery
    images.
    """
    protocol = evaluation.protocol
    if protocol.data_set not in TABLES:
        return None
    expected = _official_counts(protocol)
    other = next(
        (trial for trial in evaluation.trials if any(getattr(trial, name) != n for name, n in expected.items())), None
    )
    return Standing(
        dataset=TABLES[protocol.data_set],
        setting=f"{protocol.mode}-search" if protocol.data_set == "sysu" else DIRECTIONS[protocol.direction],
        kind=_kind(protocol),
        made_world=protocol.made_world,
        deviations=_deviations(protocol, len(evaluation.trials)),
        counts=None if other is None else (other.queries, other.gallery),
        official=", ".join(f"{number:,} {_COUNTED[name]}" for name, number in expected.items()),
    )


_COUNTED = {"queries": "queries", "valid": "queries with a match", "gallery": "gallery images"}


def _official_counts(protocol: Protocol) -> dict[str, int]:
    """Counts of a trial on the real images, by the name of the attribute; those that are not known are left out."""
    match protocol.data_set:
        case "sysu":
            each, valid = {"all": (301, 3803), "indoor": (112, 2208)}[str(protocol.mode)]
            return {"queries": 3803, "valid": valid, "gallery": each * (protocol.shots or 1)}
        case "regdb":
            return {"queries": 2060, "valid": 2060, "gallery": 2060}
    query, gallery = ("visible", "infrared") if protocol.direction == "v2i" else ("infrared", "visible")
    if protocol.evaluator == "llcm-full":
        return {"queries": _LLCM_IMAGES[query], "gallery": _LLCM_IMAGES[gallery]}
    if _is_swapped(protocol):
        return {"gallery": _LLCM_IMAGES[query]}
    return {"queries": _LLCM_IMAGES[query]}


def _kind(protocol: Protocol) -> str:
    kind = "plain" if protocol.reranking == "none" else "re-ranked"
    match protocol.test_time_augmentation:
        case "none":
            return kind
        case "image and mirror image averaged":
            return f"{kind} (flip at test)"
        case other:
            return f"{kind} ({other})"


def _deviations(protocol: Protocol, trials: int) -> tuple[str, ...]:
    found = []
    if protocol.data_set == "sysu":
        if protocol.shots != 1:
            found.append(f"{protocol.shots} shots; the published rows are single-shot")
        if protocol.draw != "seeded":
            found.append(f"{protocol.draw} draw of the gallery; nearly all published code draws with seeds 0 to 9")
    if protocol.evaluator == "llcm-full" or _is_swapped(protocol):
        found.append(f"evaluator {protocol.evaluator}; the published rows are of the evaluator llcm")
    elif protocol.data_set != "regdb" and trials != 10:
        found.append(f"{trials} galleries drawn; the published rows are means of 10")
    if protocol.distance != "cosine":
        found.append(f"{protocol.distance} distance on the features as given; published code compares by cosine")
    return tuple(found)


def _is_swapped(protocol: Protocol) -> bool:
    # In the other direction this evaluator is the usual one.
    return protocol.evaluator == "llcm-swapped" and protocol.direction == "v2i"
