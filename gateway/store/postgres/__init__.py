"""The ledger on a PostgreSQL server, 14 or later, for any number of nodes."""
