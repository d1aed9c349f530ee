"""Embed images and find the same person again."""

from vireid.retrieval.conditions import Conditions
from vireid.retrieval.embedder import EmbeddingPrecision, autocast_type, embed_records
from vireid.retrieval.fusing import fuse
from vireid.retrieval.gallery import Added, Gallery, GalleryInfo, Match
from vireid.retrieval.image_embedder import Embedder
from vireid.retrieval.indexing import index_folder, index_sources
from vireid.retrieval.listing import records_of_images
from vireid.retrieval.modality import find_modality
from vireid.retrieval.opening import open_gallery, rebuilding
from vireid.retrieval.search import search
from vireid.retrieval.shards import embed_shards
from vireid.retrieval.sighting import Sighting
from vireid.retrieval.sources import Source, sources_of_folder, sources_of_records

__all__ = [
    "Added",
    "Conditions",
    "Embedder",
    "EmbeddingPrecision",
    "Gallery",
    "GalleryInfo",
    "Match",
    "Sighting",
    "Source",
    "autocast_type",
    "embed_records",
    "embed_shards",
    "find_modality",
    "fuse",
    "index_folder",
    "index_sources",
    "open_gallery",
    "rebuilding",
    "records_of_images",
    "search",
    "sources_of_folder",
    "sources_of_records",
]
