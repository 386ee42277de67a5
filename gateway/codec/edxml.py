"""The edXML codec's front: bytes ⇄ Envelope and JSON. See the modules it names. Pure.

Reading: `Splitter` (split) → `parse_envelope`. Writing: `emit_document`. A file at once: `reader`.
"""

from dataclasses import replace
from datetime import datetime

from gateway.codec.dates import LOCAL
from gateway.codec.emit import OpenBytes, emit_document
from gateway.codec.headerjson import (
    envelope_from_json,
    envelope_to_json,
    header_from_json,
    header_to_json,
    status_from_json,
    status_to_json,
)
from gateway.codec.parse import ParsedDocument, Stored, parse_envelope
from gateway.domain.envelope import Header, TraceHop


def with_trace(header: Header, organ_id: str, at: datetime) -> Header:
    """Return the header with one more hop; earlier ones stay as they are. Source: MD-11.

    Args:
        header: As it stands.
        organ_id: Code of the system the message crosses.
        at: Aware moment; the wire carries whole seconds.
    """
    hop = TraceHop(organ_id, at.astimezone(LOCAL).replace(microsecond=0))
    return replace(header, trace=(*header.trace, hop))


__all__ = [
    "OpenBytes",
    "ParsedDocument",
    "Stored",
    "emit_document",
    "envelope_from_json",
    "envelope_to_json",
    "header_from_json",
    "header_to_json",
    "parse_envelope",
    "status_from_json",
    "status_to_json",
    "with_trace",
]
