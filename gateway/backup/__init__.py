"""Backups of a gateway: made beside running servers, checked offline, restored under a hold.

One form for both engines: rows of the ledger as one read transaction sees them, blobs and files by
their SHA-256, a signed manifest over everything. So a backup is checked with no engine at hand, and
one made from SQLite can be restored into PostgreSQL.
"""
