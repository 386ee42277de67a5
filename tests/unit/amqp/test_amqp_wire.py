"""What messages of the agencies' door say: read, refused with everything at once, written."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.amqp import asyncapi, wire
from adapters.amqp.names import Names
from adapters.amqp.wire import Confirm, Given
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError
from gateway.ports import Accepted, InboxItem, Offer, Packet

REPLY = "vanlien.reply.qlvb"
GOOD = Given(
    user_id="qlvb",
    type="document",
    message_id="so-12",
    correlation_id="",
    reply_to="",
    content_type="application/edxml+xml",
    content_encoding="",
    headers={},
    body=b"<edXML/>",
)
HASH = "ab" * 32
REFERENCE = json.dumps({"upload": "abc", "sha256": HASH}).encode()


def read(**other):
    return wire.read(replace(GOOD, **other), reply=REPLY, max_bytes=100)


def document():
    built = asyncapi.build(Names(), max_bytes=100)
    return built, built["components"]


@pytest.mark.parametrize(
    "other",
    [
        {},
        {"reply_to": REPLY},
        {"content_type": ""},
        {"content_type": "text/xml; charset=utf-8"},
        {"type": "status"},
        {"headers": {"sha256": HASH, "all_or_nothing": True, "urgent": False}},
        {"headers": {"sha256": HASH.encode(), "x-anything": 1}},
        {"body": b"x" * 100},
        {"content_type": wire.REFERENCE, "body": REFERENCE},
    ],
)
def test_good_messages_are_read(other):
    asked = read(**other)
    assert asked.key == "so-12"
    assert asked.kind == other.get("type", "document")


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"type": "letter"}, "type"),
        ({"type": ""}, "type"),
        ({"message_id": ""}, "message_id"),
        ({"message_id": "có dấu"}, "message_id"),
        ({"message_id": "x" * 201}, "message_id"),
        ({"reply_to": "vanlien.reply.qlvb2"}, "reply_to"),
        ({"reply_to": "amq.rabbitmq.reply-to.x"}, "reply_to"),
        ({"content_encoding": "gzip"}, "encoded"),
        ({"content_type": "application/pdf"}, "content_type"),
        ({"body": b""}, "empty"),
        ({"headers": {"sha256": "short"}}, "sha256"),
        ({"headers": {"sha256": HASH.upper()}}, "sha256"),
        ({"headers": {"urgent": 1}}, "urgent"),
        ({"headers": {"all_or_nothing": "true"}}, "all_or_nothing"),
        ({"content_type": wire.REFERENCE}, "JSON"),
        ({"content_type": wire.REFERENCE, "body": b"[]"}, "JSON"),
        ({"content_type": wire.REFERENCE, "body": b'{"upload": "a"}'}, "sha256 is missing"),
        ({"content_type": wire.REFERENCE, "body": REFERENCE, "type": "status"}, "reference"),
        ({"type": "confirm"}, "JSON"),
        ({"type": "confirm", "body": b'{"done": true}'}, "id is missing"),
        ({"type": "confirm", "body": b'{"id": "a", "done": false}'}, "note"),
        ({"type": "confirm", "body": b'{"id": "a", "x": 1}'}, "unknown members: x"),
        ({"type": "confirm", "body": b'{"id": "a", "note": 3}'}, "note"),
        ({"type": "confirm", "body": b'{"id": "a", "note": "x\\u0000y"}'}, "note"),
        ({"type": "confirm", "body": b'{"id": "a", "note": "x\\ud800y"}'}, "note"),
        ({"type": "confirm", "body": b"[" * 99}, "JSON"),
    ],
)
def test_faults_are_named_in_both_languages(other, words):
    with pytest.raises(RejectedError) as refused:
        read(**other)
    assert refused.value.reason is Reason.BAD_REQUEST
    assert words in refused.value.public
    assert refused.value.vi


def test_all_faults_at_once():
    with pytest.raises(RejectedError) as refused:
        read(type="x", message_id="", reply_to="elsewhere", content_type="image/png")
    assert refused.value.public.count(";") == refused.value.vi.count(";") == 3


def test_one_byte_too_many_is_told_where_to_go():
    with pytest.raises(RejectedError) as refused:
        read(body=b"x" * 101)
    assert refused.value.reason is Reason.TOO_LARGE
    assert "/api/v1/uploads" in refused.value.public
    assert "/api/v1/uploads" in refused.value.vi


def test_a_confirmation_is_read():
    asked = read(type="confirm", body=b'{"id": "a1", "done": false, "note": "hong"}')
    assert asked == Confirm("a1", done=False, note="hong")
    assert read(type="confirm", body=b'{"id": "a1"}') == Confirm("a1", done=True, note="")


@given(
    st.builds(
        Given,
        user_id=st.just("qlvb"),
        type=st.sampled_from(["document", "status", "confirm", "x"]) | st.text(),
        message_id=st.text(),
        correlation_id=st.text(),
        reply_to=st.sampled_from(["", REPLY]) | st.text(),
        content_type=st.sampled_from(["", wire.EDXML, wire.REFERENCE]) | st.text(),
        content_encoding=st.text(max_size=3),
        headers=st.dictionaries(
            st.sampled_from(["sha256", "urgent", "all_or_nothing", "y"]),
            st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.binary()
            | st.lists(st.text()),
        ),
        body=st.binary(max_size=120)
        | st.sampled_from([REFERENCE, b'{"id": []}', b'{"id": "\\ud800"}']),
    )
)
def test_whatever_comes_is_read_or_refused(message):
    try:
        wire.read(message, reply=REPLY, max_bytes=100)
    except RejectedError as refusal:
        letter = wire.refused(message, refusal)
        json.loads(letter.body)
        assert letter.correlation_id == message.answer_id


@pytest.mark.parametrize("key", ["ệ" * 85, "x" * 255])
def test_an_answer_to_the_longest_names_can_be_written(key):
    message = replace(GOOD, message_id=key, correlation_id="ệ" * 85)
    with pytest.raises(RejectedError) as refused:
        wire.read(message, reply=REPLY, max_bytes=100)
    letter = wire.refused(message, refused.value)
    assert len(letter.message_id.encode()) <= 255
    assert letter.correlation_id == message.correlation_id
    assert wire.refused(replace(message, correlation_id=""), refused.value).correlation_id == key


# ---------------------------------------------------------------- what is written


def item(kind="edoc"):
    at = datetime(2026, 11, 22, tzinfo=UTC)
    return InboxItem(
        "a1", 7, kind, "H37.02", "000.00.02", "H37.04", "000.04", "id", "trích yếu", "1/VP", "03",
        at, None,
    )  # fmt: skip


def letters():
    """Every kind of letter we write, with the name it has in the document."""
    packet = Packet(HASH, 8, "x", wire.EDXML, None)
    finding = Finding("MD-01", Severity.ERROR, "/x", "sai", "wrong")
    refusal = RejectedError(Reason.RULES_BROKEN, findings=(finding,))
    again = Accepted("c1", "d", '{"id":"c1"}', replayed=True)
    return {
        "accepted": wire.accepted(GOOD, again),
        "refused": wire.refused(GOOD, refusal),
        "broughtDocument": wire.brought(Offer(item(), replay=False), packet, b"<edXML/>"),
        "broughtReference": wire.brought(Offer(item(), replay=True), packet, None),
        "broughtStatus": wire.brought(Offer(item("status"), replay=False), packet, b"<edXML/>"),
    }


@pytest.mark.parametrize("name", letters())
def test_what_is_written_is_what_the_document_says(name):
    _, components = document()
    letter, message = letters()[name], components["messages"][name]
    assert letter.content_type == message["contentType"]
    assert f"type = {letter.type};" in message["description"]
    schemas = {"components": components}
    jsonschema.validate(dict(letter.headers), {**message["headers"], **schemas})
    if "json" in letter.content_type:
        jsonschema.validate(json.loads(letter.body), {**message["payload"], **schemas})
    assert "trích yếu" not in str(letter.headers)


@pytest.mark.parametrize(
    ("name", "bodies", "bad"),
    [
        ("documentReference", [{"upload": "abc", "sha256": HASH}], [{"upload": "abc"}, {}, []]),
        (
            "confirm",
            [{"id": "a1"}, {"id": "a1", "done": True}, {"id": "a1", "done": False, "note": "x"}],
            [{}, {"id": "a1", "x": 1}, {"id": "", "done": 1}],
        ),
    ],
)
def test_what_is_read_is_what_the_document_says(name, bodies, bad):
    _, components = document()
    message = components["messages"][name]
    kind = "confirm" if name == "confirm" else "document"
    schema = {**message["payload"], "components": components}
    for body in bodies:
        jsonschema.validate(body, schema)
        read(type=kind, content_type=message["contentType"], body=json.dumps(body).encode())
    for body in bad:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(body, schema)
        with pytest.raises(RejectedError):
            read(type=kind, content_type=message["contentType"], body=json.dumps(body).encode())


def test_the_document_is_whole():
    built, components = document()
    assert built["asyncapi"] == "3.0.0"

    def refs(value):
        if isinstance(value, dict):
            if "$ref" in value:
                yield value["$ref"]
            for inner in value.values():
                yield from refs(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from refs(inner)

    named = set(refs(built))
    for ref in named:
        found = built
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
    assert {f"#/components/messages/{name}" for name in components["messages"]} <= named
    for channel in built["channels"].values():
        wanted = {part.partition("}")[0] for part in channel["address"].split("{")[1:]}
        assert wanted == set(channel.get("parameters", {}))
    for operation in built["operations"].values():
        assert operation["action"] in {"send", "receive"}
        for ref in operation["messages"]:
            assert ref["$ref"].startswith(operation["channel"]["$ref"])
    for schema in components["schemas"].values():
        jsonschema.Draft7Validator.check_schema(schema)
    assert json.loads(asyncapi.render(Names(), max_bytes=100)) == json.loads(json.dumps(built))


def test_a_system_with_dots_reads_its_own_queues_only():
    read_right = re.compile(Names().permissions("a.b").read)
    assert read_right.search("vanlien.out.a.b")
    assert not read_right.search("vanlien.out.axb")
    assert not read_right.search("vanlien.out.a.b.c")
    assert not read_right.search("vanlien.in")


def test_operators_are_told_the_rights_we_mean():
    page = (Path(__file__).parents[3] / "docs/operations.md").read_text(encoding="utf-8")
    told = Names().permissions("qlvb-noi-vu")
    line = f"{told.user} '{told.configure}' '{told.write}' '{told.read}'"
    assert f"rabbitmqctl set_permissions -p agencies {line}" in page
