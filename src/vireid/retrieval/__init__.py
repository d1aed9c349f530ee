"""Embed images and find the same person again."""

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.embedder import EmbeddingPrecision, autocast_type, embed_records
from vireid.retrieval.fusing import fuse
from vireid.retrieval.gallery import Added, Gallery, GalleryInfo, Match
from vireid.retrieval.listing import records_of_images
from vireid.retrieval.opening import open_gallery, rebuilding
from vireid.retrieval.search import search
from vireid.retrieval.shards import embed_shards
from vireid.retrieval.sighting import Sighting

__all__ = [
    "Added",
    "Conditions",
    "EmbeddingPrecision",
    "Gallery",
    "GalleryInfo",
    "Match",
    "Sighting",
    "autocast_type",
    "embed_records",
    "embed_shards",
    "fuse",
    "open_gallery",
    "rebuilding",
    "records_of_images",
    "search",
]
