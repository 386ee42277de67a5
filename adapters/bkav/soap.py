"""SOAP 1.1 and 1.2 around Bkav's messages: envelopes read and written, faults, operations. Pure.

Promises: no DOCTYPE, no entities, bounded depth and size; what the header forces us to understand
and we do not is refused; an operation is never guessed. A crash leaves nothing behind.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from lxml import etree

from adapters.bkav.wire import Fault, said
from adapters.shared.values import keepable, unreadable
from gateway.codec.refusal import over_limit
from gateway.codec.tree import OLD_NS, OURS, escape
from gateway.codec.xmlsafe import Expat, malformed, parse_small
from gateway.errors import Reason, RejectedError, UnavailableError

Version = Literal["11", "12"]

NAMESPACES: Final[Mapping[str, Version]] = {
    "http://schemas.xmlsoap.org/soap/envelope/": "11",
    "http://www.w3.org/2003/05/soap-envelope": "12",
}
_OF_VERSION: Final = {version: namespace for namespace, version in NAMESPACES.items()}
MEDIA: Final[Mapping[Version, str]] = {"11": "text/xml", "12": "application/soap+xml"}
XLINK: Final = "http://www.w3.org/1999/xlink"
MAX_ROOT_BYTES: Final = 4 * 1024 * 1024
# What XML 1.0 cannot carry: words of an error may quote it.
_ILLEGAL: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_DEPTH: Final = 40
_ELEMENTS: Final = 100_000
_ATTRIBUTES: Final = 32

# In Status messages of that era edXML is even bound to SOAP's own namespace (spec/edxml.md 4.1).
_READ: Final = OURS | NAMESPACES.keys()
_UNDERSTOOD: Final = frozenset(
    {"MessageHeader", "TraceHeaderList", "TraceHeader", "ErrorList", "Signature", "Status"}
)
_ACTOR: Final = ("actor", "role")
_FOR_US: Final = ("/next", "/ultimateReceiver")

OPERATIONS: Final = (
    "SendDocument",
    "GetPendingDocumentIds",
    "GetDocument",
    "ConfirmReceived",
    "GetTraces",
    "UpdateTraces",
    "GetOrganizations",
    "CheckPermission",
)
_BY_BODY: Final[Mapping[str, str]] = {
    **{f"{name}Request": name for name in OPERATIONS},
    **{name: name for name in OPERATIONS},
    "Manifest": "SendDocument",
    "edXMLManifest": "SendDocument",
    "Status": "UpdateTraces",
}


class FaultError(RejectedError):
    """What SOAP itself answers with a fault.

    Args:
        code: Of SOAP 1.1: `VersionMismatch`, `MustUnderstand` or `Client`.
        vi: What is wrong, Vietnamese.
        en: The same in English.
    """

    def __init__(self, code: str, vi: str, en: str) -> None:
        super().__init__(Reason.BAD_REQUEST, f"{vi} | {en}")
        self.code = code


# ---------------------------------------------------------------- elements


def local(element: etree._Element) -> str:
    """Return an element's local name, "" outside the namespaces we read."""
    tag: object = element.tag
    if not isinstance(tag, str):
        return ""
    namespace, _, name = tag.rpartition("}")
    return name if namespace.removeprefix("{") in _READ else ""


def children(element: etree._Element, name: str) -> list[etree._Element]:
    """Return the children of that local name."""
    return [child for child in element if local(child) == name]


def child(element: etree._Element, *path: str) -> etree._Element | None:
    """Return the first element at a path of local names."""
    found: etree._Element | None = element
    for name in path:
        found = next(iter(children(found, name)), None) if found is not None else None
    return found


def text(element: etree._Element | None, *path: str) -> str:
    """Return the text at a path, stripped; "" when absent."""
    found = None if element is None else child(element, *path)
    return "" if found is None else (found.text or "").strip()


def find(element: etree._Element, name: str) -> etree._Element | None:
    """Return the first element of that local name at any depth, itself included."""
    return next((e for e in element.iter() if local(e) == name), None)


# ---------------------------------------------------------------- reading


@dataclass(frozen=True, slots=True)
class Message:
    """A SOAP message as read.

    Args:
        version: Of SOAP.
        headers: The blocks of the header, by local name.
        body: First element of the body, None for an empty one.
    """

    version: Version
    headers: Mapping[str, etree._Element]
    body: etree._Element | None


def read(data: bytes) -> Message:
    """Read an envelope.

    Raises:
        FaultError: No version we speak, or a header we must understand and do not.
        RejectedError: MALFORMED, DOCTYPE_REFUSED or LIMIT_EXCEEDED.
    """
    root = parsed(data.lstrip(b" \t\r\n"))
    namespace, _, name = str(root.tag).rpartition("}")
    version = NAMESPACES.get(namespace.removeprefix("{"))
    if name != "Envelope":
        raise malformed("Không phải thông điệp SOAP.", "This is no SOAP message.", f"/{name[:60]}")
    if version is None:
        raise FaultError(
            "VersionMismatch", "Chỉ nhận SOAP 1.1 và 1.2.", "Only SOAP 1.1 and 1.2 are spoken."
        )
    blocks = child(root, "Header")
    bodies = children(root, "Body")
    if len(bodies) != 1:
        raise malformed("SOAP phải có đúng một Body.", "There must be one Body.", "/Envelope/Body")
    headers: dict[str, etree._Element] = {}
    for block in () if blocks is None else blocks:
        known = local(block)
        if known not in _UNDERSTOOD:
            _must_not_matter(block)
        elif known in headers:
            raise malformed(
                f"Khối {known} lặp lại trong Header.",
                f"{known} stands twice.",
                f"/Envelope/{known}",
            )
        else:
            headers[known] = block
    inside = list(bodies[0])  # comments and instructions were left out
    return Message(version, headers, inside[0] if inside else None)


def parsed(data: bytes) -> etree._Element:
    """Parse a small document, hardened.

    Raises:
        RejectedError: MALFORMED, DOCTYPE_REFUSED or LIMIT_EXCEEDED.
    """
    if len(data) > MAX_ROOT_BYTES:
        raise over_limit("phần SOAP (byte)", "bytes of the SOAP part", MAX_ROOT_BYTES)
    depth = count = 0

    def start(name: str, attributes: list[str]) -> None:
        nonlocal depth, count
        depth, count = depth + 1, count + 1
        if depth > _DEPTH or count > _ELEMENTS or len(attributes) > 2 * _ATTRIBUTES:
            raise over_limit("cấu trúc XML", "depth, elements or attributes", _DEPTH)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    Expat(start, end, lambda _: None).parse(data, final=True)
    return parse_small(data)


def _must_not_matter(block: etree._Element) -> None:
    for name, value in block.attrib.items():
        namespace, _, attribute = str(name).rpartition("}")
        if namespace.removeprefix("{") not in NAMESPACES:
            continue
        if attribute in _ACTOR and not str(value).endswith(_FOR_US):
            return  # for somebody else
        if attribute == "mustUnderstand" and str(value).strip() in {"1", "true"}:
            named = str(block.tag).rpartition("}")[2][:60]
            raise FaultError(
                "MustUnderstand",
                f"Không hiểu khối {named} của Header.",
                f"The header {named} is not understood here.",
            )


def operation(message: Message, action: str) -> str:
    """Return the operation asked for: what SOAPAction and the body agree on.

    Raises:
        FaultError: Neither names one, or they name two.
    """
    # SOAPAction may be the bare name, an address or an URN; the body decides where it says nothing.
    tail = re.split(r"[/:#]", action.strip().strip('"'))[-1].removesuffix("Request")
    named = tail if tail in OPERATIONS else ""
    inside = "" if message.body is None else _BY_BODY.get(local(message.body), "")
    if not inside and "Status" in message.headers:
        inside = "UpdateTraces"
    if not inside and message.body is None and "MessageHeader" in message.headers:
        inside = "SendDocument"
    if named and inside and named != inside:
        raise FaultError(
            "Client",
            f"SOAPAction là {named} nhưng Body là {inside}.",
            f"SOAPAction says {named}, the body says {inside}.",
        )
    found = named or inside
    if not found:
        raise FaultError(
            "Client",
            f"Không rõ thao tác; có: {', '.join(OPERATIONS)}.",
            "SOAPAction and body name no operation.",
        )
    return found


def credentials(message: Message) -> tuple[str, str]:
    """Return OrganId and Token: of the request, else of the header's Signature/KeyInfo."""
    if message.body is not None and text(message.body, "Token"):
        return text(message.body, "OrganId"), text(message.body, "Token")
    signature = message.headers.get("Signature")
    info = None if signature is None else find(signature, "KeyInfo")
    return text(info, "OrganId"), text(info, "Token")


# ---------------------------------------------------------------- writing


def tag(name: str, value: str = "") -> str:
    """Return an element with text; empty ones stand as well, their checker wants them."""
    return f"<edXML:{name}>{escape(value)}</edXML:{name}>"


def _legal(words: str) -> str:
    return _ILLEGAL.sub("\ufffd", words)


def block(name: str, *inside: str) -> str:
    """Return an element around finished markup."""
    return f"<edXML:{name}>{''.join(inside)}</edXML:{name}>"


def envelope(version: Version, body: str, header: str = "") -> bytes:
    """Return a message around finished markup."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<SOAP-ENV:Envelope xmlns:SOAP-ENV="{_OF_VERSION[version]}" '
        f'xmlns:edXML="{OLD_NS}" xmlns:xlink="{XLINK}">'
        f"<SOAP-ENV:Header>{header}</SOAP-ENV:Header><SOAP-ENV:Body>{body}</SOAP-ENV:Body>"
        "</SOAP-ENV:Envelope>"
    ).encode()


def media_type(version: Version, action: str = "") -> str:
    """Return the Content-Type of a message."""
    extra = f'; action="{action}"' if version == "12" and action else ""
    return f"{MEDIA[version]}; charset=utf-8{extra}"


def report(faults: Sequence[Fault] = ()) -> str:
    """Return a Report: success without faults."""
    errors = [
        block("Error", tag("Code", _legal(f.code)), tag("Description", _legal(f.description)))
        for f in faults
    ]
    success = "false" if faults else "true"
    return block("Report", tag("IsSuccess", success), block("ErrorList", *errors))


def fault(version: Version, code: str, faults: Sequence[Fault]) -> bytes:
    """Return a fault; `code` as in SOAP 1.1, the Report stands in its detail."""
    words = escape(_legal(" | ".join(f.description for f in faults))[:2000])
    detail = report(faults)
    if version == "11":
        body = (
            f"<SOAP-ENV:Fault><faultcode>SOAP-ENV:{code}</faultcode><faultstring>{words}"
            f"</faultstring><detail>{detail}</detail></SOAP-ENV:Fault>"
        )
    else:
        code = {"Client": "Sender", "Server": "Receiver"}.get(code, code)
        body = (
            f"<SOAP-ENV:Fault><SOAP-ENV:Code><SOAP-ENV:Value>SOAP-ENV:{code}</SOAP-ENV:Value>"
            f'</SOAP-ENV:Code><SOAP-ENV:Reason><SOAP-ENV:Text xml:lang="vi">{words}'
            f"</SOAP-ENV:Text></SOAP-ENV:Reason><SOAP-ENV:Detail>{detail}</SOAP-ENV:Detail>"
            "</SOAP-ENV:Fault>"
        )
    return envelope(version, body)


# ---------------------------------------------------------------- answers read


def answer(data: bytes) -> Message:
    """Read a peer's answer; texts that no ledger keeps are not in it.

    Raises:
        UnavailableError: It is no SOAP message.
    """
    try:
        return read(data)
    except RejectedError as exc:
        raise unreadable(f"no SOAP message ({exc.reason})") from exc


def faults_in(message: Message) -> tuple[Fault, ...] | None:
    """Return what an answer says is wrong; None when it is good.

    Raises:
        UnavailableError: It says neither.
    """
    if message.body is None:
        raise unreadable("the SOAP body is empty")
    if local(message.body) == "Fault":
        found = tuple(_errors(message.body))
        words = " ".join(t for t in message.body.itertext() if isinstance(t, str))
        return found or (Fault("", str(keepable(" ".join(words.split())))[:300]),)
    told = find(message.body, "Report")
    if told is None:
        return None
    if text(told, "IsSuccess").lower() in {"true", "1"}:
        return None
    return tuple(_errors(told)) or (Fault("", "IsSuccess = false"),)


def _errors(element: etree._Element) -> Iterator[Fault]:
    for one in list(element.iter())[:500]:
        if local(one) == "Error":
            code, words = text(one, "Code")[:100], text(one, "Description")[:300]
            yield Fault(str(keepable(code)), str(keepable(words)))


def good(message: Message) -> etree._Element:
    """Return the body of a good answer.

    Raises:
        UnavailableError: It reports a failure, or says nothing.
    """
    faults = faults_in(message)
    if faults is not None or message.body is None:
        raise UnavailableError(Reason.UNAVAILABLE, f"the peer answers {said(faults or ())}")
    return message.body
