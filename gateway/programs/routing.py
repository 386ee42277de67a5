"""Where a recipient's documents go: local inbox, a peer, or nowhere."""

from typing import Final

LOCAL: Final = "local"


def topic_of(hop: str) -> str:
    """Return the lanes' topic of a hop: local deliveries never wait for a slow peer."""
    return "relay:local" if hop.startswith(LOCAL) else f"relay:{hop}"


def owed_to(hop: str) -> str:
    """Return the outbox's topic of a hop: the lanes' topic, and behind `|` whose turn it takes."""
    return f"{topic_of(hop)}|{hop}"


def read_owed(topic: str) -> tuple[str, str]:
    """Return the lanes' topic and the flow of an outbox row's topic."""
    name, _, flow = topic.partition("|")
    return name, flow


def local_hop(agency: str) -> str:
    """Return the hop of a local agency's inbox."""
    return f"{LOCAL}:{agency}"
