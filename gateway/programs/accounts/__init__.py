"""Accounts of persons: sign-in, sessions, rights, administration, and the trail of what they do."""
