"""What all dialects share and none owns: streams, base64 inside JSON, a peer's words, addresses.

Dialects import this package and never each other.
"""
