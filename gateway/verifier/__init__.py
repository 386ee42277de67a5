"""Verification in processes of its own: the pool, its worker, and the text of a first page."""
