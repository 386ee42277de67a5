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
from gateway.ports.dialects import Dialect, Facade, Means, Network, Tokens
from gateway.ports.feeds import Feeds, Offer, Place
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
    Wanted,
    Work,
)
from gateway.ports.notices import Notice, NoticePage, Notices
from gateway.ports.peers import (
    Adapter,
    Busy,
    Listed,
    Outcome,
    Parcel,
    Refused,
    SharedSecret,
    Taken,
)
from gateway.ports.replays import Replays, Rewound
from gateway.ports.revocation import ListHealth, RevocationHealth
from gateway.ports.scanning import Scanner
from gateway.ports.uploads import Upload, Uploads

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
    "Dialect",
    "Evidence",
    "Facade",
    "Feeds",
    "FormFile",
    "FrontDoor",
    "Ids",
    "InboxItem",
    "Insert",
    "Json",
    "Ledger",
    "ListHealth",
    "Listed",
    "Means",
    "MessageKind",
    "Network",
    "NewCredential",
    "NextNumber",
    "Notice",
    "NoticePage",
    "Notices",
    "Offer",
    "Outcome",
    "Packet",
    "Parcel",
    "Place",
    "Present",
    "QuarantineRow",
    "Refused",
    "Replays",
    "RevocationHealth",
    "Rewound",
    "Row",
    "Scanner",
    "SentItem",
    "SharedSecret",
    "SubmitOptions",
    "SystemRow",
    "Taken",
    "Tokens",
    "Update",
    "Upload",
    "Uploads",
    "Verifier",
    "Wanted",
    "Work",
]
