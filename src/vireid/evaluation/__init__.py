"""The field's protocols: who is query, who is gallery, who is dropped, and what counts."""
