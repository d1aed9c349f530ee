"""The loop that trains a network, and what it leaves on disk."""
