"""The OpenAPI 3.1 document, built from the routes and the models: complete, or the tests fail.

Pure: the same routes give the same bytes.
"""

import json
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.domain.problem import CONTENT_TYPE
from gateway.web.metadata import schema_examples
from gateway.web.models import Problem
from gateway.web.routes import Answer, Endpoint, Query

_REF: Final = "#/components/schemas/{model}"
_HEADERS: Final[dict[str, tuple[str, str]]] = {
    "Location": ("Địa chỉ của văn bản", "Address of the document"),
    "Idempotent-Replayed": ("`true` khi lặp lại câu trả lời trước", "`true` on a repeat"),
    "ETag": ("SHA-256 của nội dung", "SHA-256 of the content"),
    "Content-Disposition": ("Tên tệp", "Name of the file"),
    "X-Report-Seal": (
        "Niêm phong của báo cáo PDF: B-LT, B-T; waiting, B-B; waiting, B-B hoặc none",
        "Seal of a PDF report: B-LT, B-T; waiting, B-B; waiting, B-B or none",
    ),
    "Content-Length": ("Số byte", "Bytes"),
    "Retry-After": ("Số giây nên chờ", "Seconds to wait"),
    "WWW-Authenticate": ("Cách xác thực", "How to authenticate"),
    "X-Request-Id": ("Mã yêu cầu, để báo vận hành", "Id of the request, to name to operations"),
    "Idempotency-Key": (
        "Khóa chống lặp của bên gọi, 1–200 ký tự ASCII",
        "The caller's key against doubling, 1–200 visible ASCII characters",
    ),
    "If-None-Match": ("ETag đã có", "The ETag at hand"),
    "Last-Event-ID": (
        "Mã sự kiện cuối cùng đã nhận: đi tiếp sau nó",
        "Id of the last event had: goes on behind it",
    ),
}
_HEADER_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "Idempotency-Key": {"type": "string", "pattern": r"^[\x21-\x7e]{1,200}$"},
    "Last-Event-ID": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
}
_REFUSED: Final[dict[int, tuple[str, str]]] = {
    400: ("Yêu cầu sai", "The request is wrong"),
    401: ("Thiếu hoặc sai khóa", "Missing or wrong key"),
    403: ("Không được gửi thay cơ quan này", "Not allowed to speak for this agency"),
    404: ("Không có, hoặc không thuộc bên gọi", "Not there, or not the caller's"),
    408: ("Gửi quá chậm", "The body came too slowly"),
    409: ("Xung đột với điều đã có", "In conflict with what is there"),
    410: ("Không còn được giữ; detail nói cách đi tiếp", "Not kept any more; detail says how"),
    413: ("Quá lớn", "Too large"),
    415: ("Không nhận kiểu nội dung này", "Content type not taken"),
    422: ("Nội dung không đạt; mọi lỗi trong findings", "Refused; every fault in findings"),
    429: ("Bên gọi gửi quá nhiều cùng lúc", "Too many requests of this caller at one time"),
    500: ("Lỗi của hệ thống", "Our own failure"),
    503: ("Tạm thời không phục vụ được", "Temporarily unavailable"),
}
_EVERYWHERE: Final = (400, 401, 429, 500, 503)


def build(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """Return the document for these routes."""
    routes = tuple(endpoints)
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in routes:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _operation(endpoint)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "vanlien: liên thông văn bản điện tử",
            "version": version,
            "description": (
                "API gửi, nhận văn bản điện tử giữa các cơ quan. Thời gian theo ISO 8601 `+07:00`. "
                "Mọi lỗi là problem+json, nêu đủ các điểm sai cùng lúc.\n\n"
                "Send and receive documents between agencies. Times are ISO 8601 `+07:00`. Every "
                "error is problem+json and names everything that is wrong at once. GET addresses "
                "answer HEAD too."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"apiKey": []}],
        "paths": paths,
        "components": {
            "schemas": _schemas(routes),
            "securitySchemes": {
                "apiKey": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Khóa API của hệ thống / API key of the system: "
                    "`Authorization: Bearer …`",
                }
            },
        },
    }


def render(endpoints: Iterable[Endpoint], version: str) -> bytes:
    """Return the document as JSON."""
    return json.dumps(build(endpoints, version), ensure_ascii=False, separators=(",", ":")).encode()


def _schemas(routes: tuple[Endpoint, ...]) -> dict[str, Any]:
    answered = {a.model for r in routes for a in r.answers if a.model is not None}
    taken = {m for r in routes for m in (r.takes or {}).values() if m is not None}
    given = [(m, "serialization") for m in (*answered, Problem)]
    asked = [(m, "validation") for m in taken]
    models: list[Any] = sorted({*given, *asked}, key=lambda each: each[0].__name__)
    _, document = models_json_schema(models, ref_template=_REF)
    schemas: dict[str, Any] = document["$defs"]
    for name, example in schema_examples().items():
        if name in schemas:
            schemas[name]["examples"] = [example]
    return dict(sorted(schemas.items()))


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    answers = {str(answer.status): _answer(answer) for answer in endpoint.answers}
    refusals = sorted({*endpoint.refusals, *(() if endpoint.open else _EVERYWHERE)})
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "tags": [endpoint.tag],
        "summary": endpoint.vi,
        "description": endpoint.en,
        "responses": answers | {str(s): _refusal(s) for s in refusals if str(s) not in answers},
    }
    if endpoint.open:
        operation["security"] = []
        operation["responses"] |= {"400": _refusal(400), "500": _refusal(500)}
    parameters = [*_path_parameters(endpoint.path), *map(_query, endpoint.queries)]
    parameters += [
        {
            "name": name,
            "in": "header",
            "required": False,
            "schema": _HEADER_SCHEMAS.get(name, {"type": "string"}),
            "description": " / ".join(_HEADERS[name]),
        }
        for name in endpoint.headers
    ]
    if parameters:
        operation["parameters"] = parameters
    if endpoint.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {media: _body(media, model) for media, model in endpoint.takes.items()},
        }
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    found = []
    if "{id}" in path:
        schema: dict[str, Any] = {"type": "string", "maxLength": 64}
        text = "Mã trong cổng / id in the gateway"
        found.append(_path("id", schema, text, "01990000-0000-7000-8000-000000000001"))
    if "{n}" in path:
        schema = {"type": "integer", "minimum": 0, "maximum": 99999}
        found.append(_path("n", schema, "Thứ tự tệp, từ 0 / position of the file, from 0", 0))
    if "{k}" in path:
        schema = {"type": "integer", "minimum": 0, "maximum": 99999}
        text = "Thứ tự chữ ký trong báo cáo, từ 0 / position of the signature, from 0"
        found.append(_path("k", schema, text, 0))
    return found


def _path(name: str, schema: dict[str, Any], text: str, example: object) -> dict[str, Any]:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": schema,
        "description": text,
        "example": example,
    }


def _query(query: Query) -> dict[str, Any]:
    lists = {"style": "form", "explode": False} if query.schema.get("type") == "array" else {}
    return {
        "name": query.name,
        "in": "query",
        "required": False,
        "schema": dict(query.schema),
        "description": f"{query.vi} / {query.en}",
        **lists,
    }


def _body(media: str, model: type[Any] | None) -> dict[str, Any]:
    if media == "multipart/form-data" and model is not None:
        return {
            "schema": {
                "type": "object",
                "required": ["metadata", "file"],
                "properties": {
                    "metadata": {"$ref": _REF.format(model=model.__name__)},
                    "file": {
                        "type": "array",
                        "items": {"type": "string", "format": "binary"},
                        "description": "Văn bản chính đứng đầu / main document first",
                    },
                },
            },
            "encoding": {"metadata": {"contentType": "application/json"}},
        }
    if model is None:
        return {"schema": {"type": "string", "format": "binary"}}
    return {"schema": {"$ref": _REF.format(model=model.__name__)}}


def _headers(names: Iterable[str]) -> dict[str, Any]:
    return {
        name: {"schema": {"type": "string"}, "description": " / ".join(_HEADERS[name])}
        for name in names
    }


def _answer(answer: Answer) -> dict[str, Any]:
    made: dict[str, Any] = {
        "description": f"{answer.vi} / {answer.en}",
        "headers": _headers(("X-Request-Id", *answer.headers)),
    }
    if answer.model is not None and issubclass(answer.model, BaseModel):
        made["content"] = {
            answer.media: {"schema": {"$ref": _REF.format(model=answer.model.__name__)}}
        }
    elif answer.status != HTTPStatus.NOT_MODIFIED:
        kind = "object" if answer.media.endswith("json") else "string"
        schema = {"type": kind} if kind == "object" else {"type": kind, "format": "binary"}
        made["content"] = {answer.media: {"schema": schema}}
    for media in answer.also:
        made["content"][media] = {"schema": {"type": "string"}}
    return made


def _refusal(status: int) -> dict[str, Any]:
    vi, en = _REFUSED[status]
    extra = {401: ("WWW-Authenticate",), 429: ("Retry-After",), 503: ("Retry-After",)}
    return {
        "description": f"{vi} / {en}",
        "headers": _headers(("X-Request-Id", *extra.get(status, ()))),
        "content": {
            CONTENT_TYPE: {
                "schema": {"$ref": _REF.format(model="Problem")},
                "example": {
                    "type": "urn:vanlien:problem:example",
                    "title": vi,
                    "title_en": en,
                    "status": status,
                    "detail": en,
                    "detail_vi": vi,
                    "reason": "example",
                    "request_id": "01990000-0000-7000-8000-000000000001",
                    "findings": [],
                },
            }
        },
    }
