"""The ledger (SQLite, WAL, FULL) and the content-addressed blobs: the only truth on disk."""
