"""Networks made for places without PyTorch or without Python: written, checked, and read back."""

from vireid.exports.export_facts import EXPORT, ExportFacts, ExportFormat, ExportPrecision, is_export, read_facts
from vireid.exports.exporting import check_offered, export_network
from vireid.exports.loading import can_run_on, load_export, load_model, model_fingerprint
from vireid.exports.onnx_model import OnnxModel
from vireid.exports.torch_model import TorchModel
from vireid.exports.verifying import check_scores, check_vectors

__all__ = [
    "EXPORT",
    "ExportFacts",
    "ExportFormat",
    "ExportPrecision",
    "OnnxModel",
    "TorchModel",
    "can_run_on",
    "check_offered",
    "check_scores",
    "check_vectors",
    "export_network",
    "is_export",
    "load_export",
    "load_model",
    "model_fingerprint",
    "read_facts",
]
