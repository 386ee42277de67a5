"""Are the blobs of this node those of the ledger? Asked before it takes or hands out anything.

Nodes of one ledger must share one blob store: a document that one of them accepted is read by the
others. The first node puts a mark among its blobs and writes the mark's name into the ledger
(`meta`, key `blob_store`); every node that starts must find it in its own store. So a folder of one
machine, another bucket, or a disk that is not mounted is told at the start, not when the first
document cannot be read. A crash between the two leaves a blob that no row names.
"""

import secrets
from typing import Final

from gateway.errors import ConfigurationError, Fault
from gateway.ports import Absent, Blobs, ChangeSet, Committed, Insert, Ledger

KEY: Final = "blob_store"
_OWNER: Final = "blob_store"

_VI: Final = (
    "kho tệp này không phải kho của sổ cái: các tiến trình chung sổ cái phải chung một kho "
    "([blobs] url, hoặc shared = true với một thư mục chung)"
)
_EN: Final = (
    "this is not the blob store of the ledger: nodes of one ledger share one store ([blobs] url, "
    "or shared = true with a folder that all of them have)"
)


async def claim(ledger: Ledger, blobs: Blobs, where: str) -> None:
    """Return when these blobs are the ledger's.

    Args:
        ledger: Of all nodes.
        blobs: Of this one.
        where: What the operator calls this store.

    Raises:
        ConfigurationError: They are not.
        UnavailableError: One of them cannot be asked now.
    """
    row = await ledger.one("meta", key=KEY)
    if row is None:
        info = await blobs.put(f"kho lien thong {secrets.token_hex(16)}\n".encode())
        mark = {"key": KEY}
        rows = (
            Insert("meta", mark | {"value": info.sha256}),
            Insert("blob_ref", {"sha256": info.sha256, "owner": _OWNER}),
        )
        done = await ledger.commit(ChangeSet(rows=rows, guards=(Absent("meta", mark),)))
        if isinstance(done, Committed):
            return
        row = await ledger.one("meta", key=KEY)  # another node was first
    if row is None or not await blobs.has(row["value"]):
        fault = Fault("blobs", f"{where}: {_VI}", f"{where}: {_EN}")
        raise ConfigurationError(f"{where}: {_EN}", (fault,))
