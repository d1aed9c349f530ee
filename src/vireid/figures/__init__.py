"""Pictures of what a network does."""

from vireid.figures.evidence import Evidence, MatchLosses, explain_match, match_losses, overlay_evidence
from vireid.figures.match_shares import MatchShares, match_shares
from vireid.figures.rank_strip import Tile, draw_ranking, rank_strip

__all__ = [
    "Evidence",
    "MatchLosses",
    "MatchShares",
    "Tile",
    "draw_ranking",
    "explain_match",
    "match_losses",
    "match_shares",
    "overlay_evidence",
    "rank_strip",
]
