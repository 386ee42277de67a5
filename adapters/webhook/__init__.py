"""Webhooks: what happened is brought to a system's own address."""
