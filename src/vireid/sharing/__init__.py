"""A run for others: its card, and the Hugging Face Hub."""
