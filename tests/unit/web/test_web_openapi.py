"""The OpenAPI document says everything the application does, and nothing else."""

import json
import re

import pytest

from gateway.web import models, openapi, routes
from gateway.web.metadata import Metadata, StatusIn, schema_examples
from gateway.web.server import HOUSE, make_app
from tests.world.api_house import unasked
from tests.world.fake_desk import FakeApiClock, FakeDesk, FakeIds, FakeIntake, FakeKeys

BARE = ("/confirm", "/resume", "/remove", "/test")
WEBHOOK_VERBS = ("rotate", "pause", "resume", "remove", "replay", "test")


@pytest.fixture(name="app")
def _app():
    intake, clock = FakeIntake(), FakeApiClock()
    return make_app(intake, FakeDesk(intake, clock), FakeKeys(), clock, FakeIds(), **unasked())


@pytest.fixture(name="document")
def _document(app):
    return openapi.build(app[HOUSE].endpoints, routes.API_VERSION)


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method.upper(), operation


def test_every_route_is_in_it_and_vice_versa(app, document):
    routed = {
        (route.resource.canonical, route.method) for route in app.router.routes() if route.resource
    }
    told = {(path, method) for path, method, _ in operations(document)}
    heads = {(path, "HEAD") for path, method in told if method == "GET"}
    assert routed == told | heads


def test_the_issues_addresses_are_all_there(document):
    one, came = "/api/v1/documents/{id}", "/api/v1/inbox/{id}"
    hook = "/api/v1/webhooks/{id}"
    assert set(document["paths"]) == {
        "/openapi.json",
        "/live",
        "/ready",
        "/metrics",
        "/api/v1/documents",
        "/api/v1/agencies",
        "/api/v1/inbox",
        "/api/v1/inbox/rewind",
        "/api/v1/events",
        "/api/v1/webhooks",
        hook,
        *(f"{hook}/{part}" for part in ("calls", *WEBHOOK_VERBS)),
        one,
        f"{one}/events",
        f"{one}/receipts",
        f"{one}/recall",
        f"{one}/verification",
        f"{one}/verification/files/{{n}}/signed/{{k}}",
        came,
        f"{came}/edxml",
        f"{came}/attachments/{{n}}",
        f"{came}/verification",
        f"{came}/verification/files/{{n}}/signed/{{k}}",
        "/api/v1/schemas/verification-report.json",
        f"{came}/events",
        f"{came}/receipts",
        f"{came}/confirm",
        f"{came}/status",
    }


def test_every_reference_leads_somewhere_and_every_schema_is_used(document):
    text = json.dumps(document)
    used = set(re.findall(r'"#/components/schemas/([^"]+)"', text))
    assert used == set(document["components"]["schemas"])
    assert "#/$defs" not in text


def test_every_operation_is_whole(document):
    names = []
    for path, method, operation in operations(document):
        names.append(operation["operationId"])
        assert operation["summary"], path
        assert operation["description"], path
        good = [status for status in operation["responses"] if status < "400"]
        assert good, path
        for status, response in operation["responses"].items():
            assert " / " in response["description"]
            assert "X-Request-Id" in response["headers"]
            if status >= "400" and not (path == "/ready" and status == "503"):
                assert list(response["content"]) == ["application/problem+json"]
        placed = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
        assert placed == set(re.findall(r"\{(\w+)\}", path))
        if path.startswith("/api/"):
            assert "security" not in operation
            assert {"400", "401", "429", "500", "503"} <= set(operation["responses"])
        else:
            assert operation["security"] == []
        assert ("requestBody" in operation) == (method == "POST" and not path.endswith(BARE))
    assert len(set(names)) == len(names)
    assert document["security"] == [{"apiKey": []}]


def test_examples_are_what_they_exemplify(document):
    examples = schema_examples()
    Metadata.model_validate_json(json.dumps(examples["Metadata"]))
    StatusIn.model_validate_json(json.dumps(examples["StatusIn"]))
    for name in examples:
        assert document["components"]["schemas"][name]["examples"] == [examples[name]]
    for _, _, operation in operations(document):
        for response in operation["responses"].values():
            for media, content in response.get("content", {}).items():
                if media == "application/problem+json":
                    models.Problem.model_validate(content["example"], extra="forbid")


def test_request_schemas_refuse_unknown_fields_and_answers_may_grow(document):
    schemas = document["components"]["schemas"]
    assert schemas["Metadata"]["additionalProperties"] is False
    assert schemas["BusinessIn"]["additionalProperties"] is False
    assert "additionalProperties" not in schemas["Document"]
    assert schemas["Metadata"]["required"] == ["sender", "recipients"]


def test_the_same_routes_give_the_same_bytes(app):
    endpoints = app[HOUSE].endpoints
    assert openapi.render(endpoints, "1") == openapi.render(endpoints, "1")
    assert openapi.render(endpoints, "1") != openapi.render(endpoints, "2")
