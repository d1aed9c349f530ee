"""Everything that a printed result must name, so that no two kinds of number share a column."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

from vireid.evaluation.trials import Direction, Draw, LlcmEvaluator, Mode
from vireid.types import VireidError

__all__ = ["Distance", "Protocol"]

Distance = Literal["cosine", "euclidean"]

_TRIAL_RULES = {
    "sysu": "one model, {trials} galleries drawn anew, mean",
    "regdb": "each trial is a split of its own, on which alone a model that was trained on RegDB may be tested",
    "llcm": "one model, {trials} galleries drawn anew, mean",
    "llcm-swapped": "one model, {trials} draws, mean; in v2i the drawn images are the queries",
    "llcm-full": "one model, one pass over the whole gallery",
    "folder": "one model, one pass over the whole gallery",
}


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """How a result was made.

    Attributes:
        data_set: ``sysu``, ``regdb``, ``llcm`` or ``folder``.
        direction: modality of the query, then of the gallery; SYSU-MM01 knows ``i2v`` only.
        feature: what was compared, such as ``bn``, ``pool`` or the name of a features file.
        checkpoint_rule: which weights were taken, such as ``last epoch``; ``best on test`` must be said.
        method: what made the embeddings, such as a recipe's name.
        reconstruction: ``none``, or which parts of the method are rebuilt from an abstract, not from a whole paper.
        mode: ``all`` or ``indoor``; SYSU-MM01 only.
        shots: gallery images of each identity and camera; SYSU-MM01 only.
        draw: who drew the gallery; SYSU-MM01 and LLCM.
        evaluator: which of the three; LLCM only.
        split: which of the ten splits; RegDB only.
        trials: how many were averaged; `vireid.evaluation.evaluate` sets it.
        distance: ``cosine`` or ``euclidean``; `vireid.evaluation.evaluate` sets it.
        reranking: ``none``, or the method with its parameters; `vireid.evaluation.evaluate` sets it.
        test_time_augmentation: ``none``, or what was averaged, such as ``image and mirror image averaged``.
        made_world: whether the images are of a made world, which never stand beside those of a data set.

    Raises:
        VireidError: a fact is missing that its data set needs.

    >>> Protocol(data_set="sysu", direction="i2v", feature="bn", checkpoint_rule="last epoch", mode="all", shots=1,
    ...     draw="seeded").name
    'sysu all-search 1-shot seeded i2v'
    """

    data_set: Literal["sysu", "regdb", "llcm", "folder"]
    direction: Direction
    feature: str
    checkpoint_rule: str
    method: str = "not known"
    reconstruction: str = "none"
    mode: Mode | None = None
    shots: int | None = None
    draw: Draw | None = None
    evaluator: LlcmEvaluator | None = None
    split: int | None = None
    trials: int = 1
    distance: Distance = "cosine"
    reranking: str = "none"
    test_time_augmentation: str = "none"
    made_world: bool = False

    def __post_init__(self) -> None:
        needed = {"sysu": ("mode", "shots", "draw"), "llcm": ("evaluator",)}.get(self.data_set, ())
        missing = [name for name in needed if getattr(self, name) is None]
        if missing:
            raise VireidError(f"a result on {self.data_set} must name its {', '.join(missing)}; give it to Protocol")
        if self.data_set == "sysu" and self.direction != "i2v":
            raise VireidError("SYSU-MM01 looks for infrared queries among visible images: its direction must be 'i2v'")

    @property
    def name(self) -> str:
        """Short name of the protocol."""
        parts = [self.evaluator or self.data_set]
        if self.data_set == "sysu":
            parts += [f"{self.mode}-search", f"{self.shots}-shot", str(self.draw)]
        return " ".join([*parts, self.direction])

    @property
    def trial_rule(self) -> str:
        """What a trial is and how trials become one number."""
        return _TRIAL_RULES[self.evaluator or self.data_set].format(trials=self.trials)

    def trial_rule_of(self, trained_on: object) -> str:
        """What a trial is for a model of which it is known, or not, on the layout of which data set it was trained."""
        if self.data_set != "regdb" or trained_on is None:
            return self.trial_rule
        if trained_on == "regdb":
            return "each trial has a model of its own, tested on its own trial only"
        return "one model, trained in another layout and tested on this trial"

    def to_json(self) -> dict[str, object]:
        """Every fact as plain values; None where the data set has no such choice."""
        return {"name": self.name, **asdict(self), "trial_rule": self.trial_rule}
