"""Doors to other systems, one folder a dialect (wire, client, facade)."""
