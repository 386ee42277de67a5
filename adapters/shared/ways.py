"""Ways to a peer: whether others can read what goes there. Pure: a crash leaves nothing behind."""

import ipaddress
from urllib.parse import urlsplit


def in_clear(endpoint: str) -> bool:
    """Tell whether a token sent there can be read on the way."""
    where = urlsplit(endpoint)
    if where.scheme != "http" or where.hostname == "localhost":
        return False
    try:
        return not ipaddress.ip_address(where.hostname or "").is_loopback
    except ValueError:
        return True
