"""One small check per rule id; importing the package registers them all.

`gateway.rules.registry.run_all(facts)` runs every rule in force and returns all findings at once.
Rules are pure: they judge facts they are given and know the standard library only.
"""

from gateway.rules import (
    content,
    format,  # noqa: A004
    identity,
    malware,
    packet,
    recall,
    secrecy_rule,
    signature,
)

# isort: split
# Findings come in the order of registration: validity, then who signed, then how it looks (SIG-26).
from gateway.rules import holders

# isort: split
from gateway.rules import appearance

__all__ = [
    "appearance",
    "content",
    "format",
    "holders",
    "identity",
    "malware",
    "packet",
    "recall",
    "secrecy_rule",
    "signature",
]
