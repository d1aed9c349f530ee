"""Pictures of what a network does."""

from vireid.figures.activation_figure import draw_activation_maps
from vireid.figures.alb_attention import AlbAttention, alb_attention
from vireid.figures.alb_figure import draw_alb_attention, draw_token_attention
from vireid.figures.breakdown import (
    CameraTable,
    PersonTable,
    by_camera,
    by_person,
    draw_accuracy_by_camera,
    draw_accuracy_by_person,
)
from vireid.figures.class_activation import activation_maps
from vireid.figures.confusions import Confusion, draw_confusions, hardest_confusions
from vireid.figures.curves import draw_cmc, draw_losses
from vireid.figures.distances import PairDistances, draw_distances, pair_distances
from vireid.figures.embedding_map import MapPanel, draw_embedding_map, pick_persons, project
from vireid.figures.evidence import Evidence, MatchLosses, explain_match, match_losses, overlay_evidence
from vireid.figures.match_shares import MatchShares, match_shares
from vireid.figures.outcomes import QueryOutcomes, query_outcomes
from vireid.figures.rank_strip import Tile, draw_ranking, rank_strip
from vireid.figures.side_by_side import draw_side_by_side
from vireid.figures.style import new_figure, save_figure

__all__ = [
    "AlbAttention",
    "CameraTable",
    "Confusion",
    "Evidence",
    "MapPanel",
    "MatchLosses",
    "MatchShares",
    "PairDistances",
    "PersonTable",
    "QueryOutcomes",
    "Tile",
    "activation_maps",
    "alb_attention",
    "by_camera",
    "by_person",
    "draw_accuracy_by_camera",
    "draw_accuracy_by_person",
    "draw_activation_maps",
    "draw_alb_attention",
    "draw_cmc",
    "draw_confusions",
    "draw_distances",
    "draw_embedding_map",
    "draw_losses",
    "draw_ranking",
    "draw_side_by_side",
    "draw_token_attention",
    "explain_match",
    "hardest_confusions",
    "match_losses",
    "match_shares",
    "new_figure",
    "overlay_evidence",
    "pair_distances",
    "pick_persons",
    "project",
    "query_outcomes",
    "rank_strip",
    "save_figure",
]
