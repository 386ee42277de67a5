"""Settings: one TOML file plus environment overrides, checked as a whole, frozen once loaded.

Promises: unknown keys fail; every fault is told at once, by key path, in Vietnamese and English;
secrets are only ever paths to files. The reference page and the sample file are made from the same
field descriptions. Nothing here writes: a crash leaves nothing behind.

Only the composition root and the command line read settings (import-linter watches).
"""

from gateway.config.keeping import Blobs
from gateway.config.ledger import LedgerSection
from gateway.config.load import ENV_PREFIX, check, load
from gateway.config.page import reference, sample
from gateway.config.partners import Agency, Peer
from gateway.config.sections import (
    ClockCheck,
    Formats,
    GatewaySection,
    Http,
    LaneRetry,
    Log,
    Numbering,
    PlainFacade,
    Policy,
    Receipts,
    Retry,
    Secrets,
    Settings,
    Verify,
)
from gateway.config.times import OfficeHours, Times

__all__ = [
    "ENV_PREFIX",
    "Agency",
    "Blobs",
    "ClockCheck",
    "Formats",
    "GatewaySection",
    "Http",
    "LaneRetry",
    "LedgerSection",
    "Log",
    "Numbering",
    "OfficeHours",
    "Peer",
    "PlainFacade",
    "Policy",
    "Receipts",
    "Retry",
    "Secrets",
    "Settings",
    "Times",
    "Verify",
    "check",
    "load",
    "reference",
    "sample",
]
