"""uploads: packets handed over beforehand, for messages that are too small for them.

An upload is a blob that no row names: it lives for a day after it was last put, and is collected by
the janitor like any other orphan. Its id says whose it is, what it holds and until when, under a
key derived from the key file: every node knows it, a restart forgets none, nothing is stored about
it, and another system can make nothing of it. A crash leaves at most an orphan.
"""

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gateway.errors import Reason, RejectedError
from gateway.ports import Caller, Packet, Upload
from gateway.programs.context import Context

_PURPOSE: Final = b"vanlien upload v1"
_MAC_BYTES: Final = 32
_LONGEST: Final = 400
_SHARE: Final = 0.75
"""Part of an orphan's life in which it can be referred to: the rest is for who takes it then."""
_EDXML: Final = "application/edxml+xml"


class BlobUploads:
    """See `ports.Uploads`.

    Args:
        context: Ports and policy.
        keys: The keys that protect shared secrets, the present one first.
    """

    def __init__(self, context: Context, keys: Callable[[], Sequence[bytes]]) -> None:
        self._context = context
        self._keys = keys

    async def keep(self, caller: Caller, chunks: AsyncIterator[bytes]) -> Upload:
        """Keep bytes durably."""
        context = self._context
        await context.gatekeeper.admit(caller.system_id, None)
        limit = context.policy.limits.packet_bytes
        writer = context.blobs.writer()
        size = 0
        try:
            async for data in chunks:
                size += len(data)
                if size > limit:
                    raise RejectedError(
                        Reason.TOO_LARGE, f"the packet is larger than {limit} bytes"
                    )
                writer.write(data)
            if not size:
                raise RejectedError(Reason.BAD_REQUEST, "the body is empty: nothing was sent")
            info = await writer.finish()
        finally:
            writer.abort()
        ends = int((context.clock.now() + context.policy.orphan_age * _SHARE).timestamp())
        told = {"s": caller.system_id, "h": info.sha256, "n": info.size_bytes, "e": ends}
        body = json.dumps(told, separators=(",", ":")).encode()
        sealed = _mac(self._keys()[0], body) + body
        upload_id = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        ends_at = datetime.fromtimestamp(ends, UTC)
        return Upload(upload_id, info.sha256, info.size_bytes, ends_at)

    async def open(self, caller: Caller, upload_id: str) -> Packet:
        """Return what a caller uploaded."""
        told = self._opened(upload_id)
        now = self._context.clock.now()
        if told is None or told["s"] != caller.system_id or told["e"] <= now.timestamp():
            raise _unknown()
        blobs = self._context.blobs
        if not await blobs.has(told["h"]):
            raise _unknown()
        return Packet(told["h"], told["n"], "upload.edxml", _EDXML, blobs.stream(told["h"]))

    def _opened(self, upload_id: str) -> dict[str, Any] | None:
        """Return what an id says, None when it is not ours."""
        if len(upload_id) > _LONGEST:
            return None
        padded = upload_id + "=" * (-len(upload_id) % 4)
        try:
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        mac, body = raw[:_MAC_BYTES], raw[_MAC_BYTES:]
        known = [hmac.compare_digest(mac, _mac(key, body)) for key in self._keys()]
        if not any(known):
            return None
        told: dict[str, Any] = json.loads(body)
        return told


def _mac(key: bytes, body: bytes) -> bytes:
    derived = hmac.digest(key, _PURPOSE, hashlib.sha256)
    return hmac.digest(derived, body, hashlib.sha256)


def _unknown() -> RejectedError:
    return RejectedError(
        Reason.NOT_FOUND, "no such upload of this system, or its time is over: upload it again"
    )
