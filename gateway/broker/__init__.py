"""Lanes carry ids from the outbox to the programs; they hold no state worth keeping."""
