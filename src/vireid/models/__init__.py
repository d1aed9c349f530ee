"""Networks: streams, trunk, optional blocks and head, and how they compose."""
