"""Alembic's entry: run the revisions on the connection `gateway.store.setup` hands over.

All revisions of one upgrade share the caller's transaction: a crash leaves the ledger as it was.
"""

from alembic import context

from gateway.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
