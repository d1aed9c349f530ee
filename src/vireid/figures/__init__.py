"""Pictures of what a network does."""

from vireid.figures.evidence import Evidence, MatchShares, explain_match, match_shares, overlay_shares
from vireid.figures.rank_strip import Tile, draw_ranking, rank_strip

__all__ = [
    "Evidence",
    "MatchShares",
    "Tile",
    "draw_ranking",
    "explain_match",
    "match_shares",
    "overlay_shares",
    "rank_strip",
]
