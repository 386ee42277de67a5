"""Skeleton → Envelope: every field of spec/edxml.md 3.3–3.5, leniently, each repair said aloud.

Pure. Order, prefix and spelling of what partners send do not matter here; what is not known becomes
an `Extra`, what is odd about the packet a `Finding`. Judging content is the rules' work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.codec.enclosed import ATTACHMENT, REFERENCE, Stored, attachment, manifest_entries
from gateway.codec.layout import (
    MESSAGE_PATH,
    TRACE_PATH,
)
from gateway.codec.limits import DEFAULT_LIMITS, Limits
from gateway.codec.split import Skeleton
from gateway.codec.tree import Node
from gateway.codec.walk import ALIASES, Fields, Walk
from gateway.domain.envelope import (
    Business,
    BusinessType,
    Envelope,
    Header,
    Organization,
    Receiver,
    Replacement,
    ResponseFor,
    Signer,
    StaffInfo,
    TraceHop,
    Urgency,
)
from gateway.domain.finding import Finding, Severity

__all__ = [
    "ParsedDocument",
    "Stored",
    "known_at",
    "organization",
    "parse_envelope",
    "response_for",
    "staff_info",
]

ORGANIZATION: Final = frozenset(
    {"OrganId", "OrganizationInCharge", "OrganName", "OrganAdd"}
    | {"Email", "Telephone", "Fax", "Website"}
)
STAFF: Final = frozenset({"Department", "DepartmentId", "Staff", "StaffId", "Email", "Mobile"})
RESPONSE_FOR: Final = frozenset({"OrganId", "Code", "DocumentId", "PromulgationDate"})
_MESSAGE: Final = frozenset(
    {"From", "To", "DocumentId", "Code", "PromulgationInfo", "DocumentType", "Subject", "Content"}
    | {"SignerInfo", "DueDate", "OtherInfo", "ResponseFor", "SteeringType", "ResponseForTask"}
    | {"ApplicationType", "ToPlaces"}
)
_CODE: Final = frozenset({"CodeNumber", "CodeNotation"})
_PROMULGATION: Final = frozenset({"Place", "PromulgationDate"})
_TYPE: Final = frozenset({"Type", "TypeDetail", "TypeName"})
_SIGNER: Final = frozenset({"Competence", "Position", "FullName"})
_OTHER: Final = frozenset(
    {"Priority", "SphereOfPromulgation", "TyperNotation", "PromulgationAmount", "PageAmount"}
    | {"ReplyFors", "Direction", "ReferenceCodes", "Appendixes"}
)
_TRACE: Final = frozenset({"Bussiness", "TraceHeader"})
_HOP: Final = frozenset({"OrganId", "Timestamp"})
_BUSINESS: Final = frozenset(
    {"DocumentId", "BussinessDocType", "BussinessDocReason", "Paper", "BussinessDocumentInfo"}
    | {"ReplacementInfoList", "StaffInfo"}
)
_CHANGED: Final = frozenset({"DocumentInfo", "DocumentReceiver", "ReceiverList"})
_RECEIVER: Final = frozenset({"OrganId", "ReceiverType"})
_REPLACEMENT: Final = frozenset({"DocumentId", "OrganIdList"})
_DIRECTIONS: Final = {"true": True, "1": True, "false": False, "0": False}
_EMPTY: Final[Fields] = {}


_LISTS: Final = {
    "Appendixes": "Appendix",
    "ResponseForTask": "TaskCode",
    "ToPlaces": "Place",
    "ReceiverList": "Receiver",
    "ReplacementInfoList": "ReplacementInfo",
    "OrganIdList": "OrganId",
    "edXMLManifest": "Reference",
    "AttachmentEncoded": "Attachment",
    "edXMLBody": "edXMLManifest",
}
_KNOWN: Final[dict[str, frozenset[str]]] = {
    "edXML": frozenset({"edXMLEnvelope", "AttachmentEncoded"}),
    "edXMLEnvelope": frozenset({"edXMLHeader", "edXMLBody", "AttachmentEncoded"}),
    "edXMLHeader": frozenset({"MessageHeader", "TraceHeaderList", "Signature"}),
    "MessageHeader": _MESSAGE,
    "From": ORGANIZATION,
    "To": ORGANIZATION,
    "Code": _CODE,
    "PromulgationInfo": _PROMULGATION,
    "DocumentType": _TYPE,
    "SignerInfo": _SIGNER,
    "OtherInfo": _OTHER,
    "ResponseFor": RESPONSE_FOR,
    "TraceHeaderList": _TRACE,
    "TraceHeader": _HOP,
    "Bussiness": _BUSINESS,
    "BussinessDocumentInfo": _CHANGED,
    "Receiver": _RECEIVER,
    "ReplacementInfo": _REPLACEMENT,
    "StaffInfo": STAFF,
    "Reference": REFERENCE,
    "Attachment": ATTACHMENT,
    **{outer: frozenset({inner}) for outer, inner in _LISTS.items()},
}


def known_at(parent: str) -> frozenset[str]:
    """Return the names with a meaning below a parent path, other spellings of them included."""
    known = _KNOWN.get(parent.rpartition("/")[2].partition("[")[0], frozenset())
    return known | {alias for alias, (name, _) in ALIASES.items() if name in known}


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document packet read: the envelope (repairs inside) and findings about the packet."""

    envelope: Envelope
    findings: tuple[Finding, ...]


def parse_envelope(
    skeleton: Skeleton, stored: Sequence[Stored], limits: Limits = DEFAULT_LIMITS
) -> ParsedDocument:
    """Read a document packet.

    Args:
        skeleton: What the splitter left; its kind is `document`.
        stored: One entry for each of `skeleton.parts`, in order.
        limits: Bounds on the number of remarks.

    Raises:
        ValueError: `stored` does not match the parts: a mistake of the caller.
    """
    if len(stored) != len(skeleton.parts):
        raise ValueError("one Stored for each part")
    walk = Walk(limits, skeleton.repairs, skeleton.extras)
    message = skeleton.layout.message
    fields = walk.children(message, MESSAGE_PATH, _MESSAGE)
    business, trace = _trace(walk, skeleton.layout.trace)
    manifest = manifest_entries(walk, skeleton.layout.manifest)
    attachments = tuple(
        attachment(walk, part, what, manifest)
        for part, what in zip(skeleton.parts, stored, strict=True)
    )
    header = _header(
        walk,
        fields,
        business,
        trace,
        has_signature_block=skeleton.layout.has_signature_block,
        has_xml_signature=skeleton.layout.has_xml_signature,
    )
    envelope = Envelope(header, manifest, attachments, tuple(walk.repairs))
    return ParsedDocument(envelope, tuple(walk.findings))


# ---------------------------------------------------------------- message header


def _header(
    walk: Walk,
    fields: Fields,
    business: Business,
    trace: tuple[TraceHop, ...],
    *,
    has_signature_block: bool,
    has_xml_signature: bool,
) -> Header:
    path = MESSAGE_PATH
    code = _inside(walk, fields, "Code", path, _CODE)
    promulgation = _inside(walk, fields, "PromulgationInfo", path, _PROMULGATION)
    kind = _inside(walk, fields, "DocumentType", path, _TYPE)
    other = _inside(walk, fields, "OtherInfo", path, _OTHER)
    below = f"{path}/OtherInfo"
    sender = walk.one(fields, "From", path)
    if sender is None:
        # MD-10: without From nobody answers for the document and no status finds its way back.
        walk.finding(
            "MD-10",
            Severity.ERROR,
            f"{path}/From",
            "Thiếu đơn vị gửi (From); hãy bổ sung rồi gửi lại.",
            "The sender (From) is missing; add it and send again.",
        )
    return Header(
        sender=Organization("") if sender is None else organization(walk, sender, f"{path}/From"),
        recipients=tuple(
            organization(walk, node, f"{path}/To[{i}]")
            for i, node in enumerate(fields.get("To", ()), 1)
        ),
        document_id=walk.code(fields, "DocumentId", path),
        code_number=walk.code(code, "CodeNumber", f"{path}/Code"),
        code_notation=walk.code(code, "CodeNotation", f"{path}/Code"),
        place=walk.text(promulgation, "Place", f"{path}/PromulgationInfo"),
        promulgation_date=walk.date(promulgation, "PromulgationDate", f"{path}/PromulgationInfo"),
        type_code=_type_code(walk, fields, kind),
        type_detail=_type_detail(walk, kind),
        type_name=walk.text(kind, "TypeName", f"{path}/DocumentType"),
        subject=walk.text(fields, "Subject", path),
        content=walk.text(fields, "Content", path),
        signer=_signer(walk, fields),
        due_date=walk.date(fields, "DueDate", path),
        urgency=_urgency(walk, other),
        sphere=walk.text(other, "SphereOfPromulgation", below),
        typer_notation=walk.text(other, "TyperNotation", below),
        promulgation_amount=walk.number(other, "PromulgationAmount", below),
        page_amount=walk.number(other, "PageAmount", below),
        reply_fors=walk.text(other, "ReplyFors", below),
        direction=_direction(walk, other),
        reference_codes=walk.text(other, "ReferenceCodes", below),
        appendixes=_list(walk, other, "Appendixes", below, "Appendix"),
        response_for=_responses(walk, fields),
        steering_type=_steering(walk, fields),
        task_codes=_list(walk, fields, "ResponseForTask", path, "TaskCode"),
        application_type=walk.text(fields, "ApplicationType", path),
        to_places=_list(walk, fields, "ToPlaces", path, "Place"),
        business=business,
        trace=trace,
        extras=tuple(walk.extras),
        has_signature_block=has_signature_block,
        has_xml_signature=has_xml_signature,
    )


def _inside(walk: Walk, fields: Fields, name: str, path: str, known: frozenset[str]) -> Fields:
    node = walk.one(fields, name, path)
    return _EMPTY if node is None else walk.children(node, f"{path}/{name}", known)


def _list(walk: Walk, fields: Fields, name: str, path: str, item: str) -> tuple[str, ...]:
    inner = _inside(walk, fields, name, path, frozenset({item}))
    return walk.texts(inner, item, f"{path}/{name}")


def organization(walk: Walk, node: Node, path: str) -> Organization:
    """Read an Organization (From, To)."""
    f = walk.children(node, path, ORGANIZATION)
    return Organization(
        walk.code(f, "OrganId", path),
        walk.text(f, "OrganizationInCharge", path),
        walk.text(f, "OrganName", path),
        walk.text(f, "OrganAdd", path),
        walk.text(f, "Email", path),
        walk.text(f, "Telephone", path),
        walk.text(f, "Fax", path),
        walk.text(f, "Website", path),
    )


def response_for(walk: Walk, node: Node, path: str) -> ResponseFor:
    """Read one ResponseFor."""
    f = walk.children(node, path, RESPONSE_FOR)
    return ResponseFor(
        walk.code(f, "OrganId", path),
        walk.code(f, "Code", path),
        walk.code(f, "DocumentId", path),
        walk.date(f, "PromulgationDate", path),
    )


def staff_info(walk: Walk, node: Node | None, path: str) -> StaffInfo | None:
    """Read a StaffInfo; one without any content is None."""
    if node is None:
        return None
    f = walk.children(node, path, STAFF)
    staff = StaffInfo(
        walk.text(f, "Department", path),
        walk.text(f, "DepartmentId", path),
        walk.text(f, "Staff", path),
        walk.text(f, "StaffId", path),
        walk.text(f, "Email", path),
        walk.text(f, "Mobile", path),
    )
    return None if staff == StaffInfo() else staff


def _responses(walk: Walk, fields: Fields) -> tuple[ResponseFor, ...]:
    found = (
        response_for(walk, node, f"{MESSAGE_PATH}/ResponseFor[{i}]")
        for i, node in enumerate(fields.get("ResponseFor", ()), 1)
    )
    return tuple(r for r in found if r != ResponseFor())  # absent and empty are the same


def _signer(walk: Walk, fields: Fields) -> Signer | None:
    path = f"{MESSAGE_PATH}/SignerInfo"
    f = _inside(walk, fields, "SignerInfo", MESSAGE_PATH, _SIGNER)
    signer = Signer(
        walk.text(f, "Competence", path),
        walk.text(f, "Position", path),
        walk.text(f, "FullName", path),
    )
    return None if signer == Signer() else signer


def _type_code(walk: Walk, fields: Fields, kind: Fields) -> int | None:
    node = walk.one(fields, "DocumentType", MESSAGE_PATH)
    if node is None or not node.children:
        return None
    path = f"{MESSAGE_PATH}/DocumentType"
    text = walk.text(kind, "Type", path).strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return int(text)
    walk.repair("type-defaulted", f"{path}/Type", text)
    if text:
        walk.keep(kind["Type"][0], path)
    return 2


def _type_detail(walk: Walk, kind: Fields) -> int | None:
    path = f"{MESSAGE_PATH}/DocumentType"
    if walk.text(kind, "TypeDetail", path).strip() == "-1":
        return None  # the kit's way of saying "not given"
    return walk.number(kind, "TypeDetail", path)


def _urgency(walk: Walk, other: Fields) -> Urgency:
    path = f"{MESSAGE_PATH}/OtherInfo"
    text = walk.text(other, "Priority", path).strip()
    if not text:
        return Urgency.NORMAL
    if text in {"0", "1", "2", "3", "4"}:
        return Urgency(int(text))
    walk.unreadable("priority-unknown", other, "Priority", path)
    return Urgency.NORMAL


def _direction(walk: Walk, other: Fields) -> bool | None:
    path = f"{MESSAGE_PATH}/OtherInfo"
    text = walk.text(other, "Direction", path).strip()
    if not text:
        return None
    value = _DIRECTIONS.get(text.lower())
    if value is None:
        walk.unreadable("direction-form", other, "Direction", path)
    elif text not in {"true", "false"}:
        walk.repair("direction-form", f"{path}/Direction", text)
    return value


def _steering(walk: Walk, fields: Fields) -> int | None:
    if "SteeringType" in fields and not walk.text(fields, "SteeringType", MESSAGE_PATH):
        walk.repair("steering-empty", f"{MESSAGE_PATH}/SteeringType")
        return None
    return walk.number(fields, "SteeringType", MESSAGE_PATH)


# ---------------------------------------------------------------- trace, business


def _trace(walk: Walk, node: Node | None) -> tuple[Business, tuple[TraceHop, ...]]:
    if node is None:
        return Business(), ()
    fields = walk.children(node, TRACE_PATH, _TRACE)
    hops = tuple(
        _hop(walk, child, f"{TRACE_PATH}/TraceHeader[{i}]")
        for i, child in enumerate(fields.get("TraceHeader", ()), 1)
    )
    block = walk.one(fields, "Bussiness", TRACE_PATH)
    return Business() if block is None else _business(walk, block), hops


def _hop(walk: Walk, node: Node, path: str) -> TraceHop:
    f = walk.children(node, path, _HOP)
    organ_id = walk.code(f, "OrganId", path)
    if organ_id in {"", "null"}:
        # MD-11: earlier entries are never rewritten, not even empty ones.
        walk.repair("trace-organ-missing", f"{path}/OrganId", organ_id)
    return TraceHop(organ_id, walk.moment(f, "Timestamp", path))


def _business(walk: Walk, node: Node) -> Business:
    path = f"{TRACE_PATH}/Bussiness"
    f = walk.children(node, path, _BUSINESS)
    below = f"{path}/BussinessDocumentInfo"
    changed = _inside(walk, f, "BussinessDocumentInfo", path, _CHANGED)
    receivers = _inside(walk, changed, "ReceiverList", below, frozenset({"Receiver"}))
    replaced = _inside(walk, f, "ReplacementInfoList", path, frozenset({"ReplacementInfo"}))
    return Business(
        doc_type=_business_type(walk, f, path),
        document_id=walk.code(f, "DocumentId", path),
        reason=walk.text(f, "BussinessDocReason", path),
        paper=walk.number(f, "Paper", path),
        document_info=walk.number(changed, "DocumentInfo", below),
        document_receiver=walk.number(changed, "DocumentReceiver", below),
        receivers=tuple(
            _receiver(walk, child, f"{below}/ReceiverList/Receiver[{i}]")
            for i, child in enumerate(receivers.get("Receiver", ()), 1)
        ),
        replacements=tuple(
            _replacement(walk, child, f"{path}/ReplacementInfoList/ReplacementInfo[{i}]")
            for i, child in enumerate(replaced.get("ReplacementInfo", ()), 1)
        ),
        staff=staff_info(walk, walk.one(f, "StaffInfo", path), f"{path}/StaffInfo"),
    )


def _business_type(walk: Walk, fields: Fields, path: str) -> BusinessType:
    text = walk.text(fields, "BussinessDocType", path).strip()
    if not text:
        return BusinessType.NEW
    if text in {"0", "1", "2", "3"}:
        return BusinessType(int(text))
    where = f"{path}/BussinessDocType"
    walk.keep(fields["BussinessDocType"][0], path)
    # MD-10: taking an unknown operation for a new document could undo a recall.
    walk.finding(
        "MD-10",
        Severity.ERROR,
        where,
        f"Loại nghiệp vụ BussinessDocType không hiểu được: {text[:40]}; phải là 0, 1, 2 hoặc 3.",
        f"Unknown BussinessDocType: {text[:40]}; it must be 0, 1, 2 or 3.",
    )
    return BusinessType.NEW


def _receiver(walk: Walk, node: Node, path: str) -> Receiver:
    f = walk.children(node, path, _RECEIVER)
    return Receiver(walk.code(f, "OrganId", path), walk.number(f, "ReceiverType", path))


def _replacement(walk: Walk, node: Node, path: str) -> Replacement:
    f = walk.children(node, path, _REPLACEMENT)
    organs = _inside(walk, f, "OrganIdList", path, frozenset({"OrganId"}))
    found = walk.texts(organs, "OrganId", f"{path}/OrganIdList")
    return Replacement(walk.code(f, "DocumentId", path), tuple(o.strip() for o in found))
