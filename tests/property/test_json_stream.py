"""JSON read while it passes says what JSON read whole says, wherever it is cut; rubbish is refused."""

import json

from hypothesis import example, given
from hypothesis import strategies as st

from adapters.shared.jsonstream import BrokenJsonError, JsonStream, quoted, quoted_size

TAKEN = ("edocContent",)
INSIDE = ("data", "files", "*", "content")
TEXTS = st.text(max_size=40)
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
JSONISH = st.text(alphabet='{}[]":,\\u09dDnt aedocContent', max_size=60)


def read(data, size, *taken):
    """Return what was taken out of each text, the rest, and the outermost texts."""
    stream = JsonStream(taken)
    found = {}
    ended = []
    for start in range(0, len(data), size):
        for piece in stream.feed(data[start : start + size]):
            found[piece.path] = found.get(piece.path, b"") + piece.data
            ended += [piece.path] if piece.last else []
    return found, stream.close(), stream.strings, ended


@given(
    st.dictionaries(TEXTS, PLAIN, max_size=4),
    TEXTS,
    st.integers(1, 9),
    st.booleans(),
    st.sampled_from([None, 1]),
)
@example({}, '\\"\x00\U0001f600\ud7ff' * 9, 1, True, None)
def test_the_same_wherever_it_is_cut(others, content, size, escaped, indent):
    whole = {**others, "edocContent": content}
    data = json.dumps(whole, ensure_ascii=escaped, indent=indent).encode()
    found, left, strings, ended = read(data, size, TAKEN)
    assert found.get(TAKEN, b"").decode() == content
    assert ended == [TAKEN]
    assert left == {**whole, "edocContent": ""}
    outermost = {k: v for k, v in others.items() if isinstance(v, str)}
    outermost.pop("edocContent", None)
    assert strings == outermost


@given(st.lists(st.binary(max_size=20), max_size=4), st.integers(1, 30))
def test_a_text_of_every_element(files, size):
    rows = [{"name": str(n), "content": data.hex()} for n, data in enumerate(files)]
    data = json.dumps({"content": "outer", "data": {"files": rows}}).encode()
    found, left, _, ended = read(data, size, INSIDE)
    assert found.get(INSIDE, b"") == b"".join(data.hex().encode() for data in files)
    assert len(ended) == len(files)
    assert left["content"] == "outer"
    assert [row["content"] for row in left["data"]["files"]] == [""] * len(files)


@given(st.one_of(JSONISH.map(str.encode), st.binary(max_size=30)), st.integers(1, 9))
def test_whatever_comes_is_read_as_json_reads_it_or_refused(data, size):
    try:
        found, left, _, _ = read(data, size, TAKEN)
    except BrokenJsonError:
        return
    text = data.decode("utf-8-sig")
    whole = json.loads(text)
    if isinstance(whole, dict) and isinstance(whole.get("edocContent"), str):
        assert found.get(TAKEN, b"").decode() == whole["edocContent"]
        whole["edocContent"] = ""
    assert left == whole


@given(TEXTS, st.integers(1, 9))
def test_what_is_written_is_read_again(text, size):
    data = text.encode()
    pieces = [data[start : start + size] for start in range(0, len(data), size)]
    inside = b"".join(map(quoted, pieces))
    assert sum(map(quoted_size, pieces)) == len(inside)
    assert json.loads(b'"' + inside + b'"') == text
