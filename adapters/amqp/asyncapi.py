"""The AsyncAPI 3.0 document of the agencies' door, made from the names and the wire. Pure.

Whatever is said there of types, headers and sizes is what `wire` reads and writes: the same
patterns, the same tables. The same settings give the same bytes.
"""

import json
from typing import Any, Final

from adapters.amqp import wire
from adapters.amqp.names import URGENT, Names, Queue
from adapters.amqp.wire import Kind, Said

VERSION: Final = "1.0.0"  # of the interface, not of the program
Json = dict[str, Any]
_SYSTEM: Final = "{system}"


def build(names: Names, *, max_bytes: int) -> Json:
    """Return the document.

    Args:
        names: What exchange and queues are called.
        max_bytes: Largest packet inside a message.
    """
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "vanlien: liên thông văn bản điện tử qua RabbitMQ",
            "version": VERSION,
            "description": (
                "Hệ thống của cơ quan gửi văn bản, trạng thái vào một exchange, nhận câu trả lời "
                "và văn bản đến ở hai hàng đợi của mình. Thuộc tính `user_id` bắt buộc và phải là "
                "tài khoản của kết nối. Thứ tự xử lý không được bảo đảm.\n\n"
                "A system publishes documents and statuses to one exchange and finds answers and "
                "what arrives in two queues of its own. The property `user_id` is required and "
                "must be the connection's user, which the broker checks. Submissions are worked "
                "on side by side: their order is not kept. What is brought comes in order, and "
                "may come twice with the same `message_id`."
            ),
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": wire.EDXML,
        "channels": {
            "submissions": _submissions(names),
            "replies": _own(names.reply(_SYSTEM), "Our answers / Câu trả lời", _REPLIES),
            "deliveries": _own(names.out(_SYSTEM), "What is brought / Văn bản đến", _BROUGHT),
        },
        "operations": _operations(),
        "components": {
            "messages": {name: _message(name, max_bytes) for name in _MESSAGES},
            "schemas": _SCHEMAS,
        },
    }


def render(names: Names, *, max_bytes: int) -> bytes:
    """Return the document as JSON."""
    built = build(names, max_bytes=max_bytes)
    return json.dumps(built, ensure_ascii=False, separators=(",", ":")).encode()


# ---------------------------------------------------------------- channels and operations

_SUBMITTED: Final = ("document", "documentReference", "status", "confirm")
_REPLIES: Final = (Said.ACCEPTED.value, Said.REFUSED.value)
_BROUGHT: Final = ("broughtDocument", "broughtReference", "broughtStatus")


def _refs(channel: str, messages: tuple[str, ...]) -> list[Json]:
    return [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in messages]


def _messages(messages: tuple[str, ...]) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in messages}


def _submissions(names: Names) -> Json:
    return {
        "address": names.exchange,
        "description": (
            f"Nơi hệ thống gửi vào / where systems publish. Routing key {URGENT}: not to wait "
            "behind the rest; any other key is the same as none."
        ),
        "messages": _messages(_SUBMITTED),
        "bindings": {
            "amqp": {
                "is": "routingKey",
                "exchange": {
                    "name": names.exchange,
                    "type": names.exchanges[-1].type,
                    "durable": True,
                    "autoDelete": False,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def _own(queue: Queue, description: str, messages: tuple[str, ...]) -> Json:
    return {
        "address": queue.name,
        "description": f"{description}; quorum queue, declared by the gateway.",
        "parameters": {
            "system": {"description": "Mã hệ thống, trùng tài khoản RabbitMQ / the system's id"}
        },
        "messages": _messages(messages),
        "bindings": {
            "amqp": {
                "is": "queue",
                "queue": {
                    "name": queue.name,
                    "durable": True,
                    "exclusive": False,
                    "autoDelete": False,
                },
                "bindingVersion": "0.3.0",
            }
        },
    }


def _operations() -> Json:
    return {
        "submit": {
            "action": "receive",
            "channel": {"$ref": "#/channels/submissions"},
            "summary": "Văn bản, trạng thái, xác nhận đã nhận / documents, statuses, confirmations",
            "messages": _refs("submissions", _SUBMITTED),
            "reply": {
                "channel": {"$ref": "#/channels/replies"},
                "messages": _refs("replies", _REPLIES),
            },
        },
        "bring": {
            "action": "send",
            "channel": {"$ref": "#/channels/deliveries"},
            "summary": "Văn bản, trạng thái gửi tới hệ thống / what is offered to the system",
            "messages": _refs("deliveries", _BROUGHT),
        },
    }


# ---------------------------------------------------------------- messages

_MESSAGES: Final[dict[str, tuple[str, str, str, str, str]]] = {
    # name: (type, content type, payload, headers, what it is)
    "document": (Kind.DOCUMENT, wire.EDXML, "packet", "submitted", "Gói edXML / an edXML packet"),
    "documentReference": (
        Kind.DOCUMENT, wire.REFERENCE, "uploadReference", "submitted",
        "Gói đã tải lên trước / a packet uploaded before (POST /api/v1/uploads)",
    ),
    "status": (Kind.STATUS, wire.EDXML, "packet", "submitted", "Trạng thái / an edXML status"),
    "confirm": (
        Kind.CONFIRM, wire.JSON, "confirmation", "none",
        "Đã nhận vào hệ thống (RCV-06) / the system has an item",
    ),
    "accepted": (
        Said.ACCEPTED, wire.JSON, "acceptance", "answered",
        "Đã nhận và lưu bền vững / accepted and durably stored",
    ),
    "refused": (
        Said.REFUSED, wire.PROBLEM, "problem", "answered",
        "Từ chối, nêu đủ các điểm sai / refused, everything that is wrong at once",
    ),
    "broughtDocument": (
        Kind.DOCUMENT, wire.EDXML, "packet", "brought", "Văn bản đến / a document",
    ),
    "broughtReference": (
        Kind.DOCUMENT, wire.REFERENCE, "packetReference", "brought",
        "Văn bản đến, tải qua HTTP / a document to be fetched over HTTP",
    ),
    "broughtStatus": (Kind.STATUS, wire.EDXML, "packet", "brought", "Trạng thái / a status"),
}  # fmt: skip


def _message(name: str, max_bytes: int) -> Json:
    kind, media, payload, headers, what = _MESSAGES[name]
    own = f" Lớn nhất / at most {max_bytes} bytes." if payload == "packet" else ""
    described = {
        "name": name,
        "title": what,
        "contentType": media,
        "payload": {"$ref": f"#/components/schemas/{payload}"},
        "description": f"AMQP property type = {kind}; {_PROPERTIES[headers]}{own}",
    }
    if headers != "none":
        described["headers"] = {"$ref": f"#/components/schemas/{headers}Headers"}
    if headers == "answered":
        described["correlationId"] = {"location": "$message.header#/correlation_id"}
    return described


_SENT: Final = (
    "user_id: bắt buộc / required; message_id: khóa chống lặp / idempotency key, "
    f"{wire.KEY}; reply_to: để trống hoặc hàng đợi trả lời của mình / left out or the own reply "
    "queue; delivery_mode 2."
)
_PROPERTIES: Final = {
    "submitted": _SENT,
    "none": _SENT,
    "answered": "correlation_id: của thông điệp gửi, không có thì message_id của nó / the "
    "submission's, else its message_id.",
    "brought": "message_id: mã văn bản đến / the item's id, the same on a repeat.",
}


def _object(properties: Json, required: tuple[str, ...], *, closed: bool = True) -> Json:
    found: Json = {"type": "object", "required": list(required), "properties": properties}
    return found | ({"additionalProperties": False} if closed else {})


_TEXT: Final[Json] = {"type": "string"}
_FLAG: Final[Json] = {"type": "boolean"}
_HASH: Final[Json] = {"type": "string", "pattern": wire.SHA256}
_COUNT: Final[Json] = {"type": "integer", "minimum": 0}
_FINDING: Final = ("rule", "severity", "where", "vi", "en", "refusal")
_PROBLEM: Final = ("type", "title", "title_en", "detail", "detail_vi", "reason", "request_id")

_SCHEMAS: Final[Json] = {
    "packet": {"type": "string", "format": "binary", "description": "edXML"},
    "uploadReference": _object(
        {"upload": {"type": "string", "pattern": wire.UPLOAD}, "sha256": _HASH},
        ("upload", "sha256"),
    ),
    "packetReference": _object(
        {"href": {"type": "string", "format": "uri-reference"}, "sha256": _HASH,
         "size_bytes": _COUNT},
        ("href", "sha256", "size_bytes"),
    ),
    "confirmation": _object(
        {
            "id": {"type": "string", "pattern": wire.ID},
            "done": {"type": "boolean", "default": True},
            "note": {"type": "string", "maxLength": wire.MAX_NOTE},
        },
        ("id",),
    ),
    "acceptance": _object(
        {"id": _TEXT},
        ("id",),
        closed=False,
    ) | {"description": "Văn bản: như thân của 202 / a document: the body of the API's 202 "
         "(AcceptedOut in /openapi.json); status, confirm: id, kind"},
    "problem": _object(
        {
            **dict.fromkeys(_PROBLEM, _TEXT),
            "status": {"type": "integer"},
            "findings": {
                "type": "array",
                "items": _object(dict.fromkeys(_FINDING, _TEXT), _FINDING),
            },
        },
        (*_PROBLEM, "status", "findings"),
    ),
    "submittedHeaders": _object(
        {"sha256": _HASH, "all_or_nothing": _FLAG, "urgent": _FLAG}, (), closed=False
    ),
    "answeredHeaders": _object(
        {"for": {"type": "string", "enum": ["", *Kind]}, "replayed": _FLAG}, ("for", "replayed")
    ),
    "broughtHeaders": _object(
        {
            "cursor": _COUNT,
            "replay": _FLAG,
            "sender": _TEXT,
            "recipient": _TEXT,
            "addressed_as": _TEXT,
            "document_id": _TEXT,
            "sha256": _HASH,
            "size_bytes": _COUNT,
            "code": _TEXT,
        },
        ("cursor", "replay", "sender", "recipient", "addressed_as", "document_id", "sha256",
         "size_bytes"),
    ),
}  # fmt: skip
