"""Pictures of what a network does."""

from vireid.figures.rank_strip import Tile, draw_ranking, rank_strip

__all__ = ["Tile", "draw_ranking", "rank_strip"]
