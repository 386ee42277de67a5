"""Alembic's entry: run the revisions, or write their SQL (`gateway.store.revisions`).

All revisions of one upgrade share the caller's transaction: a crash leaves the ledger as it was.
"""

from alembic import context

from gateway.store.schema import metadata

if context.is_offline_mode():
    # The text of it, run by gateway.store.postgres.setup inside a transaction of its own.
    context.configure(
        dialect_name="postgresql", target_metadata=metadata, transactional_ddl=False, as_sql=True
    )
else:
    context.configure(
        connection=context.config.attributes["connection"],
        target_metadata=metadata,
        transactional_ddl=True,
        render_as_batch=True,
    )
with context.begin_transaction():
    context.run_migrations()
