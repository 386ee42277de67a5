"""Verification reports for people: one model, several forms."""
