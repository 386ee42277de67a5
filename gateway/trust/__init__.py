"""Cryptography behind our own types; given evidence, opens no socket."""
