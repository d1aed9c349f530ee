"""Networks: streams, trunk, optional blocks and head, and how they compose."""

from vireid.models.mimb import ALB, MIMB, Scale
from vireid.models.network import Network, NetworkOutput, build_network
from vireid.models.streams import DUAL_STREAMS, QUADRUPLE_STREAMS, Stream
from vireid.models.weights import fingerprint, load_network, save_network, weights_file

__all__ = [
    "ALB",
    "DUAL_STREAMS",
    "MIMB",
    "QUADRUPLE_STREAMS",
    "Network",
    "NetworkOutput",
    "Scale",
    "Stream",
    "build_network",
    "fingerprint",
    "load_network",
    "save_network",
    "weights_file",
]
