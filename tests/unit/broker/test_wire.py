"""Messages: what is written is read; what is not ours is refused with its reason."""

import json

import pytest

from gateway.broker import wire
from gateway.ports import Wanted


def test_what_is_written_is_read():
    one = Wanted("relay:truc", "01990b6e-8f3c", 3, "2026-11-22", "local:H37.02")
    assert wire.read(wire.write(one), "relay:truc") == ("01990b6e-8f3c", "local:H37.02")
    assert wire.read(wire.write(Wanted("issue", "số 1")), "issue") == ("số 1", "")


def test_a_message_carries_ids_only():
    assert set(json.loads(wire.write(Wanted("t", "r", 1, "s", "f")))) == {
        "v", "topic", "ref", "stamp", "flow",
    }  # fmt: skip


GOOD = {"v": 1, "topic": "t", "ref": "a", "stamp": ""}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"\xff\xfe", "not JSON"),
        (b"[" * 4000, "not JSON"),
        (b"x" * 5000, "too long"),
        (wire.PROBE, "names no id"),
        (b"[]", "unknown version"),
        (b"null", "unknown version"),
        ({**GOOD, "v": 2}, "unknown version"),
        ({**GOOD, "v": "1"}, "unknown version"),
        ({**GOOD, "topic": "other"}, "names no id"),
        ({**GOOD, "ref": ""}, "names no id"),
        ({**GOOD, "ref": 7}, "names no id"),
        ({**GOOD, "ref": None}, "names no id"),
        ({**GOOD, "flow": 7}, "names no flow"),
    ],
)
def test_what_is_not_ours_is_refused(body, why):
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(ValueError, match=why):
        wire.read(raw, "t")
