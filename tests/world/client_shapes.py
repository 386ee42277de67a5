"""Write `gateway/client/shapes.py` from the OpenAPI document: `make docs` does."""

import re
import sys
from functools import cache

from gateway.web import openapi
from gateway.web.routes import API_VERSION
from gateway.web.server import HOUSE, make_app
from tests.world.api_house import unasked
from tests.world.fake_desk import FakeApiClock, FakeDesk, FakeIds, FakeIntake, FakeKeys

_HEAD = '''"""What the API answers, as types; made from its OpenAPI document by `make docs`, not by hand.

Answers may grow fields: whoever reads them passes over what it does not know.
"""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict
'''
_PLAIN = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "null": "None",
    "object": "dict[str, Any]",
}


class _Uploads:
    """Stands for the routes, which nobody calls."""


@cache
def document():
    """Return the OpenAPI document with every route the gateway can have but the page for people."""
    intake, clock = FakeIntake(), FakeApiClock()
    desk = FakeDesk(intake, clock)
    more = unasked() | {"uploads": _Uploads()}
    app = make_app(intake, desk, FakeKeys(), clock, FakeIds(), **more)
    return openapi.build(app[HOUSE].endpoints, API_VERSION)


def answered(told):
    """Return the names of the schemas that good JSON answers lead to, in order."""
    found, open_ = set(), []
    for item in told["paths"].values():
        for operation in item.values():
            for status, answer in operation["responses"].items():
                if status.startswith("2"):
                    open_ += _refs(answer)
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += _refs(told["components"]["schemas"][name])
    return sorted(found)


def _refs(part):
    return re.findall(r"#/components/schemas/(\w+)", str(part))


def kind(schema):
    """Return the Python type of a JSON schema."""
    if "$ref" in schema:
        return schema["$ref"].rpartition("/")[2]
    if "enum" in schema and schema.get("type") == "string":
        return f"Literal[{', '.join(map(_quoted, schema['enum']))}]"
    if "const" in schema:
        return f"Literal[{_quoted(schema['const'])}]" if schema.get("type") == "string" else "int"
    if "anyOf" in schema:
        return " | ".join(dict.fromkeys(kind(one) for one in schema["anyOf"]))
    if schema.get("type") == "array":
        if "prefixItems" in schema:
            return "list[Any]"
        return f"list[{kind(schema.get('items', {}))}]"
    if schema.get("type") == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"dict[str, {kind(schema['additionalProperties'])}]"
    return _PLAIN.get(schema.get("type"), "Any")


def _quoted(value):
    return '"' + str(value).replace('"', '\\"') + '"'


def _class(name, schema):
    if "properties" not in schema:
        return [f"{name} = {kind(schema)}"]
    first = re.sub(r"\s+", " ", schema.get("description", name).split("\n\n")[0]).strip()
    lines = [f"class {name}(TypedDict):", f'    """{first[:88].rstrip(".:, ")}."""', ""]
    required = set(schema.get("required", ()))
    for field, told in schema["properties"].items():
        typed = kind(told)
        lines.append(f"    {field}: {typed if field in required else f'NotRequired[{typed}]'}")
    return lines


def text():
    """Return the module."""
    told = document()
    schemas = told["components"]["schemas"]
    names = answered(told)
    # Names for what is no object stand first: classes may use them before they are read otherwise.
    plain = [n for n in names if "properties" not in schemas[n]]
    rest = _ordered([n for n in names if n not in plain], schemas)
    parts = ["\n".join(_class(n, schemas[n])) for n in plain]
    parts = ["\n".join(parts)] if parts else []
    parts += ["\n".join(_class(n, schemas[n])) for n in rest]
    return _HEAD + "\n" + "\n\n\n".join(parts) + "\n"


def _ordered(names, schemas):
    """Return them so that each stands behind those it names."""
    done, begun = [], set()

    def put(name):
        if name in begun or name not in names:
            return
        begun.add(name)
        for other in _refs(schemas[name]):
            put(other)
        done.append(name)

    for name in names:
        put(name)
    return done


if __name__ == "__main__":
    sys.stdout.write(text())
