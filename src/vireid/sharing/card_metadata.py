"""What the Hub reads of a model card: YAML, as huggingface_hub makes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from vireid.evaluation import StoredResult
from vireid.sharing.card import LAYOUTS, plain, title_of
from vireid.sharing.described_run import DescribedRun

__all__ = ["OURS", "card_metadata"]

OURS = ("library_name", "pipeline_tag", "model-index")
"""Keys that are written anew with the card; all others are the owner's once they are there."""

TAGS = ("person-re-identification", "visible-infrared", "cross-modal-retrieval")
RANKS = (1, 10, 20)


def card_metadata(run: DescribedRun, *, license: str | None, before: Mapping[str, Any]) -> ModelCardData:
    """Metadata of a card: what the run tells, and what its owner had written before.

    ``datasets`` is left to the owner: it takes names of the Hub, which a run does not know. Rates are in percent.

    Args:
        license: what the owner chose; None keeps what is there, and claims none where nothing is.
        before: the metadata of the card so far.
    """
    # The last two are how huggingface_hub calls the parts of the model-index, which is ours.
    others = (*OURS, "tags", "license", "model_name", "eval_results")
    kept = {key: value for key, value in before.items() if key not in others}
    tags = before.get("tags")
    own = [str(tag) for tag in tags] if isinstance(tags, list) else []
    results = [entry for result in run.results for entry in _entries(result)]
    return ModelCardData(
        library_name="vireid",
        license=license or before.get("license"),
        pipeline_tag="image-feature-extraction",
        tags=list(dict.fromkeys([*TAGS, *own])),
        model_name=title_of(run) if results else None,
        eval_results=results or None,
        **kept,
    )


def _entries(result: StoredResult) -> list[EvalResult]:
    protocol, mean = result.evaluation.protocol, result.evaluation.mean
    rates = {f"Rank-{rank}": mean["cmc"][rank - 1] for rank in RANKS} | {"mAP": mean["map"], "mINP": mean["minp"]}
    facts = {
        key: value if isinstance(value, int) else plain(value)
        for key, value in protocol.to_json().items()
        if value is not None
    }
    return [
        EvalResult(
            task_type="image-feature-extraction",
            task_name="Visible-infrared person re-identification",
            dataset_type=f"{protocol.data_set}-layout",
            dataset_name=f"in the layout of {LAYOUTS[protocol.data_set]}",
            dataset_config=protocol.name,
            dataset_split="test",
            dataset_args=facts,
            metric_type=name.lower(),
            metric_name=f"{name}, percent",
            metric_value=round(100 * rate, 2),
        )
        for name, rate in rates.items()
    ]
