"""Networks: streams, trunk, optional blocks and head, and how they compose."""

from vireid.models.alb import ALB, CrossAttention
from vireid.models.building import build_network
from vireid.models.embedding_model import EmbeddingModel, Feature
from vireid.models.mimb import MIMB
from vireid.models.network import Network, NetworkOutput
from vireid.models.reference import import_reference
from vireid.models.scale import Scale
from vireid.models.streams import DUAL_STREAMS, QUADRUPLE_STREAMS, SHARED_STREAMS, TRIPLE_STREAMS, Stream
from vireid.models.weights import WEIGHTS, fingerprint, load_network, save_network, weights_file

__all__ = [
    "ALB",
    "DUAL_STREAMS",
    "MIMB",
    "QUADRUPLE_STREAMS",
    "SHARED_STREAMS",
    "TRIPLE_STREAMS",
    "WEIGHTS",
    "CrossAttention",
    "EmbeddingModel",
    "Feature",
    "Network",
    "NetworkOutput",
    "Scale",
    "Stream",
    "build_network",
    "fingerprint",
    "import_reference",
    "load_network",
    "save_network",
    "weights_file",
]
