"""Status messages: bytes ⇄ StatusReport (spec/edxml.md 4.1), lenient in, strict out. Pure."""

from typing import Final

from gateway.codec import emit, parse
from gateway.codec.dates import format_moment
from gateway.codec.emit import Writer, begin
from gateway.codec.layout import ENVELOPE_PATH, HEADER_PATH, MESSAGE_PATH
from gateway.codec.limits import DEFAULT_LIMITS, Limits
from gateway.codec.split import Skeleton, split_bytes
from gateway.codec.tree import QCVN_NS
from gateway.codec.walk import Walk
from gateway.codec.xmlsafe import malformed
from gateway.domain.envelope import Organization, ResponseFor, StatusReport

_STATUS: Final = frozenset(
    {"From", "ResponseFor", "StaffInfo", "StatusCode", "Description", "Timestamp"}
)


def parse_status(packet: bytes, limits: Limits = DEFAULT_LIMITS) -> StatusReport:
    """Read a status packet.

    Raises:
        RejectedError: Not readable, not a status, or without StatusCode.
    """
    return parse_status_skeleton(split_bytes(packet, limits), limits)


def parse_status_skeleton(skeleton: Skeleton, limits: Limits = DEFAULT_LIMITS) -> StatusReport:
    """Read a status from what the splitter left.

    Raises:
        RejectedError: MALFORMED, not a status or without StatusCode.
    """
    if skeleton.kind != "status":
        raise malformed(
            "Gói tin này là văn bản, không phải phản hồi trạng thái.",
            "This packet is a document, not a status report.",
            MESSAGE_PATH,
        )
    walk = Walk(limits, skeleton.repairs)
    path = MESSAGE_PATH
    f = walk.children(skeleton.layout.message, path, _STATUS)
    sender = walk.one(f, "From", path)
    response = walk.one(f, "ResponseFor", path)
    code = walk.code(f, "StatusCode", path)
    if not code:
        raise malformed(
            "Phản hồi trạng thái thiếu mã trạng thái (StatusCode).",
            "The status report has no StatusCode.",
            f"{path}/StatusCode",
        )
    if len(code) == 1 and code.isascii() and code.isdigit():
        walk.repair("status-code-padding", f"{path}/StatusCode", code)
        code = f"0{code}"
    report = StatusReport(
        sender=Organization("")
        if sender is None
        else parse.organization(walk, sender, f"{path}/From"),
        response_for=ResponseFor()
        if response is None
        else parse.response_for(walk, response, f"{path}/ResponseFor"),
        code=code,
        description=walk.text(f, "Description", path),
        at=walk.moment(f, "Timestamp", path),
        staff=parse.staff_info(walk, walk.one(f, "StaffInfo", path), f"{path}/StaffInfo"),
    )
    for extra in walk.extras:
        walk.repair("unknown-dropped", f"/{extra.parent}", extra.xml)
    return StatusReport(
        report.sender,
        report.response_for,
        report.code,
        report.description,
        report.at,
        report.staff,
        tuple(walk.repairs),
    )


def emit_status(report: StatusReport) -> bytes:
    """Return the strict status packet; `repairs` are not part of it.

    Raises:
        RejectedError: MALFORMED, a text holds a character that XML cannot carry.
    """
    w = Writer()
    root = begin(w)
    envelope = w.open(f'edXML:edXMLEnvelope xmlns:edXML="{QCVN_NS}"')
    header = w.open("edXML:edXMLHeader")
    message = w.open("edXML:MessageHeader")
    emit.organization(w, "From", report.sender, f"{MESSAGE_PATH}/From")
    emit.response_for(w, report.response_for, f"{MESSAGE_PATH}/ResponseFor")
    emit.staff_info(w, report.staff, f"{MESSAGE_PATH}/StaffInfo")
    w.leaf("edXML:StatusCode", report.code)
    w.leaf("edXML:Description", report.description)
    if report.at is not None:
        w.leaf("edXML:Timestamp", format_moment(report.at))
    w.close(message, MESSAGE_PATH, keep_empty=True)
    w.close(header, HEADER_PATH)
    w.close(envelope, ENVELOPE_PATH)
    w.close(root, "/edXML")
    return w.drain()
