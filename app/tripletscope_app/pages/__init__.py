"""One file a page: choose, load, draw, explain."""
