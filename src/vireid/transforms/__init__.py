"""Batched augmentation on the training device, with randomness that can be replayed."""
