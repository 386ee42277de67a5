"""Alembic revisions of the ledger; run by `gateway.store.setup`, never by hand."""
