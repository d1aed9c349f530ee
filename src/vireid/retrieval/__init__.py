"""Embed images and find the same person again."""

from vireid.retrieval.embedder import embed_records
from vireid.retrieval.listing import records_of_images
from vireid.retrieval.search import search

__all__ = ["embed_records", "records_of_images", "search"]
