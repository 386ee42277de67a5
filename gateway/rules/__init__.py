"""One small check per rule id; importing the package registers them all.

`gateway.rules.registry.run_all(facts)` runs every rule in force and returns all findings at once.
Rules are pure: they judge facts they are given and know the standard library only.
"""

from gateway.rules import (
    appearance,
    content,
    format,  # noqa: A004
    holders,
    identity,
    packet,
    recall,
    secrecy_rule,
    signature,
)

__all__ = [
    "appearance",
    "content",
    "format",
    "holders",
    "identity",
    "packet",
    "recall",
    "secrecy_rule",
    "signature",
]
