import base64
import json
import zlib
from pathlib import Path

import pytest

from gateway.trust.pictures import MAX_PAGES, NO_PICTURES, Wanted, wanted
from gateway.verifier import drawing
from gateway.verifier.pictures import PageRenderer, _pictures
from tests.world import signed_files as world
from tests.world.made_reports import report, signature


def pixels(png):
    """Return width, height and RGB rows of a PNG of ours."""
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    at, kinds, body = 8, [], b""
    while at < len(png):
        size = int.from_bytes(png[at : at + 4])
        kind, data = png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        assert zlib.crc32(kind + data) == int.from_bytes(png[at + 8 + size : at + 12 + size])
        kinds.append(kind)
        if kind == b"IHDR":
            width, height = int.from_bytes(data[:4]), int.from_bytes(data[4:8])
            assert data[8:] == bytes([8, 2, 0, 0, 0])
        body += data if kind == b"IDAT" else b""
        at += 12 + size
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]
    rows = zlib.decompress(body)
    line = 1 + 3 * width
    assert len(rows) == line * height
    return width, height, [rows[n * line + 1 : (n + 1) * line] for n in range(height)]


async def test_a_page_and_where_its_signature_stands(tmp_path):
    file = tmp_path / "a.pdf"
    file.write_bytes(world.letter())
    asked = [Wanted(3, 1, (59.5, 84.2, 119.0, 168.4)), Wanted(4, 1, None)]
    found = await PageRenderer().draw(file, asked)
    assert set(found.pages) == {1}
    page = found.pages[1]
    width, height, rows = pixels(page.png)
    assert (width, height) == (page.width, page.height)
    assert abs(width - 400) <= 1
    assert any(row != rows[0] for row in rows), "an empty page"
    assert set(found.marks) == {3}
    left, top, across, down = found.marks[3]
    assert (left, across) == (pytest.approx(40, abs=3), pytest.approx(40, abs=3))
    assert down == pytest.approx(57, abs=4)
    assert top + down == pytest.approx(height * 0.9, abs=4)  # the lower left of the page


@pytest.mark.parametrize("data", [b"", b"%PDF-1.7", b"hello", b"%PDF-1.7\n" + b"\xff" * 5000])
async def test_what_cannot_be_drawn_is_no_picture(tmp_path, data):
    file = tmp_path / "a.pdf"
    file.write_bytes(data)
    assert await PageRenderer().draw(file, [Wanted(0, 1, None)]) == NO_PICTURES


async def test_a_page_that_is_not_there_is_left_out(tmp_path):
    file = tmp_path / "a.pdf"
    file.write_bytes(world.letter())
    found = await PageRenderer().draw(file, [Wanted(0, 1, None), Wanted(1, 99, None)])
    assert set(found.pages) == {1}
    assert await PageRenderer().draw(file, []) == NO_PICTURES
    assert await PageRenderer().draw(tmp_path / "none.pdf", [Wanted(0, 1, None)]) == NO_PICTURES


async def test_a_process_that_hangs_is_killed_and_one_that_dies_costs_only_pictures(tmp_path):
    file = tmp_path / "a.pdf"
    file.write_bytes(world.letter())
    asked = [Wanted(0, 1, None)]
    for module, timeout_s in (("this.is.nobody", 20.0), ("tests.world.hostile_painter", 0.3)):
        painter = PageRenderer(timeout_s=timeout_s, worker_module=module)
        assert await painter.draw(file, asked) == NO_PICTURES
    assert await PageRenderer(memory_bytes=1 << 20).draw(file, asked) == NO_PICTURES


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"[]",
        b'{"pages": {"x": 1}, "marks": {}}',
        b'{"pages": {}, "marks": {"0": [1]}}',
        b'{"pages": {"1": {"png": "%%", "width": 1, "height": 1}}, "marks": {}}',
        b'{"pages": []}',
    ],
)
def test_an_answer_is_not_believed(answer):
    assert _pictures(answer) == NO_PICTURES


def test_only_a_small_png_is_taken():
    def answer(image):
        page = {"png": base64.b64encode(image).decode(), "width": 1, "height": 1}
        return json.dumps({"pages": {"1": page}, "marks": {}}).encode()

    good = drawing.png(bytes(3), 1, 1)
    assert _pictures(answer(good)).pages[1].png == good
    assert _pictures(answer(b"<svg>")).pages == {}
    assert _pictures(answer(good + bytes(700 * 1024))).pages == {}


def test_what_is_asked_of_a_report():
    ones = [signature(page=p) for p in (1, 1, 0, 2, *range(3, 20))]
    found = wanted(report(*ones))
    assert [w.page for w in found[:3]] == [1, 1, 2]
    assert [w.signature for w in found[:3]] == [0, 1, 3]
    assert len({w.page for w in found}) == MAX_PAGES


def test_the_drawing_process_alone(tmp_path):
    file = tmp_path / "a.pdf"
    file.write_bytes(world.letter())
    job = [{"signature": 0, "page": 1, "rectangle": [0, 0, 10_000, 10_000]}]
    found = drawing.draw(str(file), job, 100)
    picture = found["pages"]["1"]
    assert found["marks"]["0"] == [0, 0, picture["width"], picture["height"]]  # never off the page
    assert Path(drawing.__file__).name == "drawing.py"
