"""The content digest: tells a repeat from a resend whatever the axis did to the packet. Pure.

The axis parses and re-serialises (spec/edxml.md 3.2): order, prefixes, defaults, zip wrapping,
trace and unknown elements change; business fields and file contents do not.
"""

import hashlib
import json
import unicodedata
from collections.abc import Sequence
from typing import Any, Final

from gateway.codec.headerjson import header_to_json
from gateway.domain.envelope import Attachment, Header

# Not content: who it goes to, the way it went, the key it is compared under, what the axis drops.
_LEFT_OUT: Final = ("recipients", "trace", "document_id", "extras", "has_signature_block")
# What the national kit writes for an absent field when it re-serialises (spec/edxml.md 3.3).
_KIT_DEFAULTS: Final[dict[str, Any]] = {
    "type_code": 2,
    "promulgation_amount": 1,
    "page_amount": 1,
    "direction": False,
    "steering_type": 0,
}


def content_digest(header: Header, attachments: Sequence[Attachment]) -> str:
    """Return the hex SHA-256 over the business fields and the unwrapped attachments, in order.

    Equal for the same document before and after the axis; different as soon as a business field or
    a byte of a file differs. Texts are compared in NFC (FMT-07), without white space around them.
    """
    fields = {k: v for k, v in header_to_json(header).items() if k not in _LEFT_OUT}
    for name, default in _KIT_DEFAULTS.items():
        if fields[name] is None:
            fields[name] = default
    for name in ("response_for", "task_codes"):
        fields[name] = sorted(fields[name], key=lambda v: json.dumps(v, sort_keys=True))
    content = {
        "fields": _trimmed(fields),
        "files": [a.sha256 for a in attachments],
    }
    text = json.dumps(content, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    # FMT-07: composed and combining forms of Vietnamese letters are the same text.
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def _trimmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, dict):
        return {k: _trimmed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_trimmed(v) for v in value]
    return value
