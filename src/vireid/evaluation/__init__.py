"""The field's protocols: who is query, who is gallery, who is dropped, and what counts."""

from vireid.evaluation.evaluation import Averages, Evaluation, evaluate
from vireid.evaluation.metrics import score, score_features
from vireid.evaluation.protocol import Distance, Protocol
from vireid.evaluation.random_ranking import chance
from vireid.evaluation.rerank import k_reciprocal
from vireid.evaluation.rules import Rule
from vireid.evaluation.stored_results import StoredResult, read_results, store_result
from vireid.evaluation.trials import (
    Direction,
    Draw,
    LlcmEvaluator,
    Mode,
    Trial,
    folder_trials,
    llcm_trials,
    refuse_other_trial,
    regdb_trials,
    rows_of,
    sysu_trials,
)

__all__ = [
    "Averages",
    "Direction",
    "Distance",
    "Draw",
    "Evaluation",
    "LlcmEvaluator",
    "Mode",
    "Protocol",
    "Rule",
    "StoredResult",
    "Trial",
    "chance",
    "evaluate",
    "folder_trials",
    "k_reciprocal",
    "llcm_trials",
    "read_results",
    "refuse_other_trial",
    "regdb_trials",
    "rows_of",
    "score",
    "score_features",
    "store_result",
    "sysu_trials",
]
