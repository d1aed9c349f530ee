"""Pictures of what a network does."""
