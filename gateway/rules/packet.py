"""SIG-08: what the signature block of a packet is worth. Cryptography is judged elsewhere. Pure."""

from collections.abc import Iterator
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import Facts
from gateway.rules.registry import rule

SIGNATURE: Final = "/edXML/edXMLEnvelope/edXMLHeader/Signature"

_RELY_VI: Final = "Dựa vào chữ ký số trong tệp đính kèm."
_RELY_EN: Final = "Rely on the signatures inside the attachments."
_DUMMY: Final = (
    f"Khối Signature của gói tin không phải chữ ký XML thật: không kiểm chứng được. {_RELY_VI}",
    f"The packet's Signature block is no real XML signature: not verifiable. {_RELY_EN}",
)
_VALID: Final = (
    "Gói tin có chữ ký XML hợp lệ của hệ thống gửi.",
    "The packet carries a valid XML signature of the sending system.",
)
_INVALID: Final = (
    f"Chữ ký XML của gói tin không khớp: trục có thể đã ghi lại gói, hoặc gói bị sửa. {_RELY_VI}",
    f"The packet's XML signature does not fit: rewritten by an axis, or changed. {_RELY_EN}",
)
_UNDECIDED: Final = (
    f"Chữ ký XML của gói tin chưa xác định được. {_RELY_VI}",
    f"The packet's XML signature could not be decided. {_RELY_EN}",
)


@rule("SIG-08", source="QCVN102 practice")
def packet_signature(facts: Facts) -> Iterator[Finding]:
    """Say what the packet's own signature is worth; it never refuses and never makes valid."""
    header = facts.envelope.header
    if facts.reports is None or not header.has_signature_block:
        return
    if not header.has_xml_signature:
        yield Finding("SIG-08", Severity.NOTE, SIGNATURE, *_DUMMY)
    elif facts.packet is not None:
        severity, words = {
            "valid": (Severity.NOTE, _VALID),
            "invalid": (Severity.WARNING, _INVALID),
        }.get(facts.packet.verdict, (Severity.WARNING, _UNDECIDED))
        yield Finding("SIG-08", severity, SIGNATURE, *words)
