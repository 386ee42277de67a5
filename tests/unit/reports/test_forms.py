import json
from pathlib import Path

import pytest

from gateway.reports import schema
from gateway.reports.model import Dossier, Subject
from gateway.reports.renderers import FORMS
from gateway.trust.render import from_json, to_json
from gateway.web.studio import negotiated
from tests.world.made_reports import evil, states

ROOT = Path(__file__).resolve().parents[3]
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def faults(value, rule, whole, path="$"):
    """Return what of a value its JSON Schema does not allow: the keywords our schema uses."""
    known = {"$ref", "type", "properties", "required", "items", "prefixItems", "minItems", "maxItems",
             "enum", "anyOf", "format", "title", "description", "default", "$defs", "$schema", "$id"}  # fmt: skip
    assert set(rule) <= known, set(rule) - known
    if "$ref" in rule:
        return faults(value, whole["$defs"][rule["$ref"].rpartition("/")[2]], whole, path)
    if "anyOf" in rule:
        tries = [faults(value, one, whole, path) for one in rule["anyOf"]]
        return [] if any(not found for found in tries) else min(tries, key=len)
    found = []
    if "type" in rule and (
        not isinstance(value, TYPES[rule["type"]])
        or (rule["type"] in {"integer", "number"} and isinstance(value, bool))
    ):
        return [f"{path}: not {rule['type']}"]
    if "enum" in rule and value not in rule["enum"]:
        found.append(f"{path}: {value!r}")
    if isinstance(value, dict):
        found += [
            f"{path}.{name} missing" for name in rule.get("required", ()) if name not in value
        ]
        extra = set(value) - set(rule.get("properties", value))
        found += [f"{path}.{name} unknown" for name in extra]
        for name, one in rule.get("properties", {}).items():
            if name in value:
                found += faults(value[name], one, whole, f"{path}.{name}")
    if isinstance(value, list):
        if not rule.get("minItems", 0) <= len(value) <= rule.get("maxItems", len(value)):
            found.append(f"{path}: {len(value)} items")
        items = rule.get("prefixItems", [rule.get("items", {})] * len(value))
        for number, (item, one) in enumerate(zip(value, items, strict=False)):
            found += faults(item, one, whole, f"{path}[{number}]")
    return found


def test_the_published_schema_is_current():
    published = (ROOT / "schemas" / schema.NAME).read_text(encoding="utf-8")
    assert published == schema.text(), "run `make docs`"


@pytest.mark.parametrize("name", [*states(), "evil"])
def test_reports_are_what_the_schema_says(name):
    report = evil() if name == "evil" else states()[name]
    document = schema.document()
    assert faults(to_json(report), document, document) == []


def test_a_report_that_is_not_would_be_seen():
    document = schema.document()
    good = to_json(states()["valid"])
    for spoil in (
        {"verdict": "fine"},
        {"signatures": None},
        {"pages": "2"},
        {"extra": 1},
        {"parts": [{"name": "x"}]},
    ):
        assert faults(good | spoil, document, document)
    del good["sha256"]
    assert faults(good, document, document) == ["$.sha256 missing"]


def test_json_of_one_file_is_its_report_and_of_several_a_list():
    by = states()
    one = json.loads(FORMS["json"].render(Dossier((Subject("a.pdf", by["valid"]),))))
    assert from_json(one) == by["valid"]
    two = Dossier((Subject("a.pdf", by["valid"]), Subject("b.docx", None, 1)))
    files = json.loads(FORMS["json"].render(two))["files"]
    assert [f["name"] for f in files] == ["a.pdf", "b.docx"]
    assert files[1]["report"] is None


@pytest.mark.parametrize(
    ("accept", "asked", "form"),
    [
        ("", None, "json"),
        ("*/*", None, "json"),
        ("application/*", None, "json"),
        ("application/json", None, "json"),
        ("application/json, text/html", None, "json"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", None, "html"),
        ("application/xml", None, "xml"),
        ("application/xml;q=0.2, text/*;q=0.9", None, "html"),
        ("text/html;q=x, application/xml;q=0.1", None, "xml"),
        ("image/png", None, "json"),
        (",;,", None, "json"),
        ("text/html", "xml", "xml"),
        ("application/xml", "json", "json"),
    ],
)
def test_which_form_is_wanted(accept, asked, form):
    assert negotiated(accept, asked).name == form
