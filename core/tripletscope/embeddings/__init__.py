"""A person's own embeddings: what is known of each row, and one file for each format that they come in."""
