"""Networks made for places without PyTorch or without Python: written, checked, and read back."""
