"""Embed images and find the same person again."""

from vireid.retrieval.embedder import EmbeddingPrecision, autocast_type, embed_records
from vireid.retrieval.listing import records_of_images
from vireid.retrieval.search import search
from vireid.retrieval.shards import embed_shards

__all__ = [
    "EmbeddingPrecision",
    "autocast_type",
    "embed_records",
    "embed_shards",
    "records_of_images",
    "search",
]
