"""A parcel as the body of a sendEdoc: a multipart file, or a text inside JSON.

Promises: memory does not grow with a parcel, and the length of its body is known before it begins,
so that no axis has to understand chunks. Pure, no I/O of its own: a crash leaves nothing behind.
"""

import json
import secrets
from collections.abc import AsyncGenerator, AsyncIterator

from adapters.langson.session import Pass, word
from adapters.shared.jsonstream import quoted, quoted_size
from gateway.ports import Parcel


def json_letter(parcel: Parcel, system_id: str, given: Pass) -> tuple[bytes, bytes]:
    """Return what stands before and after the packet; what says who we are comes first."""
    letter = {
        "token": given.token,
        "messageType": parcel.kind,
        "systemId": system_id,
        "secretKey": word(given.secret),
        "destOrgCode": ";".join(parcel.recipients),
        "edocContent": "",
    }
    whole = json.dumps(letter, separators=(",", ":")).encode("ascii")
    return whole[:-2], whole[-2:]


def form(parcel: Parcel) -> tuple[bytes, bytes, str]:
    """Return what stands before and after the file in a multipart body, and its content type."""
    mark = f"vanlien-{secrets.token_hex(16)}"
    name = f"{parcel.transfer_id}.edxml".replace('"', "")
    before = (
        f'--{mark}\r\nContent-Disposition: form-data; name="messageType"\r\n\r\n{parcel.kind}\r\n'
        f'--{mark}\r\nContent-Disposition: form-data; name="edocFile"; filename="{name}"\r\n'
        "Content-Type: application/xml\r\n\r\n"
    )
    after = f"\r\n--{mark}--\r\n"
    return before.encode(), after.encode(), f"multipart/form-data; boundary={mark}"


async def between(
    before: bytes, chunks: AsyncIterator[bytes], after: bytes
) -> AsyncGenerator[bytes, None]:
    """Yield a body: what stands around the packet, and the packet."""
    yield before
    async for chunk in chunks:
        yield chunk
    yield after


async def inside_json(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Yield a packet as it stands inside JSON."""
    async for chunk in chunks:
        yield quoted(chunk)


async def size_inside_json(parcel: Parcel) -> int:
    """Return how long the packet is inside JSON; the bytes are read once for it."""
    return sum([quoted_size(chunk) async for chunk in parcel.open()])
