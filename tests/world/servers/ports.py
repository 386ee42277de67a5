"""Ports for servers that are started later, or killed and started again on the same one.

A port the system gives (bind to 0) comes from the range it also gives to outgoing connections: let
go of it, and any of the thousands of connections of a test run may have it before the server does.
These lie below that range, so that only a server could take one.
"""

import random
import socket

_PORTS = range(15_000, 32_000)


def free_port() -> int:
    """Return a port of the loopback that nothing listens on."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return so many; chance keeps two processes that ask at once apart."""
    found: list[int] = []
    # Not the generator that tests seed: two processes would be given the same.
    for port in random.SystemRandom().sample(_PORTS, 200):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise RuntimeError("no free ports")
