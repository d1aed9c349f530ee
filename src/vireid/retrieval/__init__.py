"""Embed images and find the same person again."""
