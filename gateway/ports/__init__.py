"""The Protocols between the programs and everything that has a door to the outside.

Programs, adapters and the web speak through these; only `gateway.app` knows the classes behind
them. Values crossing a port are frozen dataclasses; times are aware UTC; digests are lower-case hex
SHA-256. Nothing here does anything.
"""

from gateway.ports.administration import (
    AdminStore,
    AgencyRecord,
    CounterRow,
    CredentialRow,
    NewCredential,
    QuarantineRow,
    SystemRow,
)
from gateway.ports.callers import (
    Accepted,
    AgencyRow,
    Caller,
    Callers,
    FormFile,
    FrontDoor,
    InboxItem,
    MessageKind,
    Packet,
    SentItem,
    SubmitOptions,
)
from gateway.ports.desk import Desk, Json
from gateway.ports.ledger import (
    Absent,
    Change,
    ChangeSet,
    Committed,
    Conflict,
    Delete,
    Insert,
    Ledger,
    NextNumber,
    Present,
    Row,
    Update,
)
from gateway.ports.machine import (
    BlobInfo,
    Blobs,
    BlobWriter,
    Broker,
    Clock,
    Evidence,
    Ids,
    Verifier,
)
from gateway.ports.peers import Adapter, Busy, Listed, Outcome, Parcel, Refused, Taken
from gateway.ports.revocation import ListHealth, RevocationHealth

__all__ = [
    "Absent",
    "Accepted",
    "Adapter",
    "AdminStore",
    "AgencyRecord",
    "AgencyRow",
    "BlobInfo",
    "BlobWriter",
    "Blobs",
    "Broker",
    "Busy",
    "Caller",
    "Callers",
    "Change",
    "ChangeSet",
    "Clock",
    "Committed",
    "Conflict",
    "CounterRow",
    "CredentialRow",
    "Delete",
    "Desk",
    "Evidence",
    "FormFile",
    "FrontDoor",
    "Ids",
    "InboxItem",
    "Insert",
    "Json",
    "Ledger",
    "ListHealth",
    "Listed",
    "MessageKind",
    "NewCredential",
    "NextNumber",
    "Outcome",
    "Packet",
    "Parcel",
    "Present",
    "QuarantineRow",
    "Refused",
    "RevocationHealth",
    "Row",
    "SentItem",
    "SubmitOptions",
    "SystemRow",
    "Taken",
    "Update",
    "Verifier",
]
