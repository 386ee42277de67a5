"""The desk of clerks: what the pages of incoming and outgoing documents stand on."""
