"""Cases: a document goes there whole, is listed once, fetched, acknowledged, and gone."""

import asyncio
import unicodedata
from dataclasses import replace
from datetime import timedelta
from typing import Final

from gateway.conformance.bench import Bench, Received
from gateway.conformance.letters import NOTE, File, Letter, picture, workbook
from gateway.conformance.plan import BrokenError, Case, Level
from gateway.domain.envelope import Envelope
from gateway.ports import Listed, Taken

_AT_ONCE: Final = 6
_LARGE_BYTES: Final = 3 * 1024 * 1024


async def _answers(bench: Bench) -> None:
    await bench.sending.probe()


async def _lists(bench: Bench) -> None:
    for kind in ("edoc", "status"):
        await bench.receiving.adapter.listing(kind)


async def _catalogue(bench: Bench) -> None:
    rows = await bench.sending.agencies()
    codes = {code for row in rows for code in (row.code, row.legacy_code)}
    for code in (bench.parties.sender.code, bench.parties.to):
        bench.must(
            code in codes,
            f"danh mục {len(rows)} đơn vị không có {code}",
            f"the catalogue of {len(rows)} agencies lacks {code}",
        )
    bench.should(
        "names",
        all(row.name for row in rows),
        "đơn vị nào cũng có tên",
        "every agency has a name",
        "ID-06",
    )


async def _send(bench: Bench) -> None:
    letter = bench.letter()
    taken = await bench.send(letter)
    bench.must(bool(taken.peer_doc_id), "không trả mã giao dịch", "no transaction id is given")
    (received, *more) = await bench.arrived(letter)
    bench.must(not more, "liệt kê nhiều lần", "listed more than once")
    _same(bench, letter, received.envelope)
    codes = received.item.recipients
    bench.should(
        "names-both",
        received.item.sender == bench.parties.sender.code and bench.parties.to in codes,
        f"danh sách ghi nơi gửi {bench.parties.sender.code}, nơi nhận {bench.parties.to}; "
        f"nhận được «{received.item.sender}» → {', '.join(codes)}",
        f"the list names sender and recipient; got {received.item.sender!r} to {codes}",
        "SND-08",
    )
    await bench.take([received])


def _same(bench: Bench, letter: Letter, envelope: Envelope | None) -> None:
    """Compare what arrived with what was sent, whatever was serialised anew on its way."""
    if envelope is None:
        raise BrokenError("tải về không phải văn bản", "what is fetched is no document")
    header = envelope.header
    facts = {
        "DocumentId": (letter.document_id, header.document_id),
        "Code": (letter.code, header.full_code),
        "From": (letter.sender, header.sender.organ_id),
        "To": (letter.recipients, tuple(to.organ_id for to in header.recipients)),
        "Subject": (_composed(letter.title), _composed(header.subject)),
        "PromulgationDate": (
            letter.day,
            f"{header.promulgation_date:%Y/%m/%d}" if header.promulgation_date else "",
        ),
        "AttachmentName": (
            [_composed(file.name) for file in letter.files],
            [_composed(file.name) for file in envelope.attachments],
        ),
    }
    for name, (sent, got) in facts.items():
        bench.must(sent == got, f"{name}: gửi {sent!r}, nhận {got!r}", f"{name}: {sent!r}, {got!r}")
    for file, found in zip(letter.files, envelope.attachments, strict=True):
        bench.must(
            found.sha256 == file.sha256,
            f"tệp {file.name}: nội dung đã khác ({len(file.content)} → {found.size_bytes} byte)",
            f"{file.name}: other bytes ({len(file.content)} became {found.size_bytes})",
        )


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


async def _acknowledge(bench: Bench) -> None:
    letter = bench.letter()
    await bench.send(letter)
    found = await bench.arrived(letter)
    for _ in range(2):
        await bench.take(found)
    await _gone(bench, found)


async def _gone(bench: Bench, taken: list[Received]) -> None:
    ids = {received.item.peer_doc_id for received in taken}
    left = {item.peer_doc_id for item in await bench.receiving.adapter.listing("edoc")}
    bench.must(
        not ids & left, "đã xác nhận mà vẫn còn trong danh sách", "acknowledged and still listed"
    )


async def _unusable(bench: Bench) -> None:
    letter = bench.letter()
    await bench.send(letter)
    found = await bench.arrived(letter)
    for received in found:
        await bench.receiving.adapter.acknowledge(
            received.item, done=False, note="Khong doc duoc goi tin (thu)"
        )
    await _gone(bench, found)


async def _fetch_again(bench: Bench) -> None:
    letter = bench.letter()
    await bench.send(letter)
    (received, *_) = await bench.arrived(letter)
    adapter = bench.receiving.adapter
    first, second = [
        b"".join([chunk async for chunk in adapter.fetch(received.item)]) for _ in range(2)
    ]
    bench.must(first == second, "tải hai lần ra hai gói tin khác nhau", "two fetches differ")
    listed = {item.peer_doc_id for item in await adapter.listing("edoc")}
    bench.must(
        received.item.peer_doc_id in listed,
        "tải về rồi thì biến khỏi danh sách khi chưa xác nhận",
        "fetching takes it off the list before it is acknowledged",
    )
    await bench.take([received])


async def _unknown_item(bench: Bench) -> None:
    nothing = Listed("khong-co-0123456789", "edoc")
    adapter = bench.receiving.adapter

    async def fetch() -> None:
        async for _ in adapter.fetch(nothing):
            pass

    bench.must(
        await bench.fails(fetch()),
        "đưa ra gói tin cho mã không tồn tại",
        "hands out a packet under an id that does not exist",
    )
    bench.should(
        "acknowledge",
        await bench.fails(adapter.acknowledge(nothing, done=True)),
        "xác nhận mã không tồn tại thì báo lỗi",
        "acknowledging an id that does not exist is an error",
        "SND-08",
    )
    await _lists(bench)


async def _several(bench: Bench) -> None:
    also = bench.need(
        bench.parties.also, "cần đơn vị nhận thứ hai (--also)", "needs a second recipient (--also)"
    )
    letter = bench.letter(bench.parties.to, also)
    await bench.send(letter)
    found = await bench.arrived(letter)
    told = {code for received in found for code in received.item.recipients}
    if not {bench.parties.to, also} <= told:  # one item for the whole system, or the other is late
        found = await bench.arrived(letter, 2 if len(found) < 2 and told else 1)
    for received in found:
        _same(bench, letter, received.envelope)
    await bench.take(found)


async def _vietnamese(bench: Bench) -> None:
    for form in ("NFC", "NFD"):
        subject = unicodedata.normalize(form, "Về việc thử chữ: Đắk Lắk, Kỳ Lừa, Nguyễn Hữu Ước")
        name = unicodedata.normalize(form, "Báo cáo số 5 – phụ lục «ữ».txt")
        letter = replace(
            bench.letter(), subject=subject, files=(File(name, NOTE.content, "text/plain"),)
        )
        await bench.send(letter)
        found = await bench.arrived(letter)
        _same(bench, letter, found[0].envelope)
        kept = found[0].envelope is not None and found[0].envelope.header.subject == letter.title
        bench.should(
            f"verbatim-{form.lower()}",
            kept,
            f"trích yếu giữ nguyên từng ký tự ({form})",
            f"the subject keeps every character as written ({form})",
            "FMT-06",
        )
        await bench.take(found)


async def _files(bench: Bench) -> None:
    letter = replace(bench.letter(), files=(NOTE, workbook(), picture()))
    await bench.send(letter)
    found = await bench.arrived(letter)
    _same(bench, letter, found[0].envelope)
    await bench.take(found)


async def _large(bench: Bench) -> None:
    limit = bench.parties.max_bytes
    size = _LARGE_BYTES if limit is None else min(_LARGE_BYTES, limit // 2)
    line = "DỮ LIỆU THỬ 0123456789 abcdefghijklmnopqrstuvwxyz\n".encode()
    big = File("lon.txt", line * (size // len(line)), "text/plain")
    letter = replace(bench.letter(), files=(NOTE, big))
    await bench.send(letter)
    found = await bench.arrived(letter)
    _same(bench, letter, found[0].envelope)
    await bench.take(found)


async def _repeat(bench: Bench) -> None:
    letter = bench.letter()
    first = await bench.send(letter)
    second = await bench.send(letter)
    found = await _settled(bench, letter)
    await bench.take(found)
    bench.should(
        "same-answer",
        first.peer_doc_id == second.peer_doc_id,
        "gửi lại thì nhận lại đúng mã giao dịch cũ",
        "sending again gets the first transaction id",
        "SND-15",
    )
    bench.must(
        len(found) == 1,
        f"gửi lại cùng một văn bản thì bên nhận thấy {len(found)} bản",
        f"the same document sent again is offered {len(found)} times",
    )


async def _settled(bench: Bench, letter: Letter) -> list[Received]:
    """Return a letter's items once a later letter is there too."""
    after = bench.letter()
    await bench.send(after)
    await bench.take(await bench.arrived(after))
    return await bench.arrived(letter)


async def _conflict(bench: Bench) -> None:
    letter = bench.letter()
    await bench.send(letter)
    await bench.take(await bench.arrived(letter))
    other = replace(letter, subject="Nội dung khác dưới cùng mã định danh")
    outcome = await bench.hand(bench.parcel_of(other))
    if isinstance(outcome, Taken):
        await bench.take(await _settled(bench, letter))
    bench.must(
        not isinstance(outcome, Taken),
        "nhận văn bản khác dưới mã định danh đã dùng",
        "takes another document under an identifier already used",
    )


async def _at_once(bench: Bench) -> None:
    letters = [bench.letter() for _ in range(_AT_ONCE)]
    taken = await asyncio.gather(*(bench.send(letter) for letter in letters))
    bench.must(
        len({one.peer_doc_id for one in taken}) == _AT_ONCE,
        "hai văn bản nhận cùng một mã giao dịch",
        "two documents got one transaction id",
    )
    for letter in letters:
        found = await bench.arrived(letter)
        _same(bench, letter, found[0].envelope)
        await bench.take(found)


async def _same_at_once(bench: Bench) -> None:
    letter = bench.letter()
    await asyncio.gather(*(bench.send(letter) for _ in range(3)))
    found = await _settled(bench, letter)
    await bench.take(found)
    bench.must(
        len(found) == 1,
        f"gửi đồng thời cùng một văn bản thì bên nhận thấy {len(found)} bản",
        f"the same document sent at the same time is offered {len(found)} times",
    )


async def _window(bench: Bench) -> None:
    letter = bench.letter()
    await bench.send(letter)
    (received, *_) = await bench.arrived(letter)
    adapter, now = bench.receiving.adapter, bench.clock.now()
    listed = {i.peer_doc_id for i in await adapter.listing("edoc", since=now - timedelta(days=2))}
    bench.must(
        received.item.peer_doc_id in listed,
        "danh sách theo ngày thiếu văn bản vừa đến",
        "the list by dates lacks what has just come",
    )
    later = {i.peer_doc_id for i in await adapter.listing("edoc", since=now + timedelta(days=3))}
    bench.should(
        "future",
        received.item.peer_doc_id not in later,
        "danh sách từ ngày mai không có văn bản hôm nay",
        "the list of days to come does not hold today's",
        "SND-08",
    )
    await bench.take([received])


async def _order(bench: Bench) -> None:
    letters = [bench.letter() for _ in range(2)]
    for letter in letters:
        await bench.send(letter)
        await bench.arrived(letter)
    ids = [(await bench.arrived(letter))[0].item.peer_doc_id for letter in letters]
    listed = [i.peer_doc_id for i in await bench.receiving.adapter.listing("edoc")]
    for letter in letters:
        await bench.take(await bench.arrived(letter))
    bench.must(
        [i for i in listed if i in ids] == ids, "không theo thứ tự đến", "not in order of arrival"
    )


_M, _S = Level.MUST, Level.SHOULD

CASES: Final = (
    Case("answers", "trả lời", "answers", _M, ("SEC-04",), _answers),
    Case(
        "list-readable",
        "danh sách đọc được, kể cả khi trống",
        "lists can be read, empty ones too",
        _M,
        ("edXML 7.3",),
        _lists,
    ),
    Case(
        "catalogue",
        "danh mục có cả hai đơn vị",
        "the catalogue has both agencies",
        _M,
        ("ID-06", "edXML 7.1"),
        _catalogue,
    ),
    Case(
        "send-and-fetch",
        "gửi, liệt kê, tải về nguyên vẹn",
        "sent, listed, fetched whole",
        _M,
        ("SND-08", "SND-13", "MD-10"),
        _send,
    ),
    Case(
        "acknowledge",
        "xác nhận thì rời danh sách; xác nhận lại vô hại",
        "acknowledged, it leaves the list; doing it again harms nothing",
        _M,
        ("RCV-06", "edXML 7.5"),
        _acknowledge,
    ),
    Case(
        "acknowledge-unusable",
        "báo không đọc được thì rời danh sách",
        "reported unusable, it leaves the list",
        _S,
        ("edXML 7.5",),
        _unusable,
    ),
    Case(
        "fetch-again",
        "tải lại được đến khi xác nhận",
        "can be fetched again until acknowledged",
        _M,
        ("edXML 7.5",),
        _fetch_again,
    ),
    Case(
        "unknown-item",
        "mã không tồn tại thì không có gói tin",
        "no packet under an id that does not exist",
        _M,
        ("edXML 7.3",),
        _unknown_item,
    ),
    Case(
        "several-recipients",
        "một lần gửi, nhiều nơi nhận",
        "one sending, several recipients",
        _M,
        ("SND-08",),
        _several,
    ),
    Case(
        "vietnamese",
        "tiếng Việt dựng sẵn và tổ hợp",
        "Vietnamese, composed and decomposed",
        _M,
        ("FMT-06", "edXML 9 #22"),
        _vietnamese,
    ),
    Case(
        "attachments",
        "tệp đính kèm nguyên từng byte",
        "attachments byte for byte",
        _M,
        ("SND-13", "edXML 9 #6", "edXML 9 #8"),
        _files,
    ),
    Case("large", "văn bản vài MiB", "a document of some MiB", _M, ("edXML 9 #24",), _large),
    Case(
        "at-once",
        "nhiều văn bản cùng lúc",
        "several documents at the same time",
        _M,
        ("SND-08",),
        _at_once,
    ),
    Case(
        "date-window",
        "liệt kê theo khoảng ngày",
        "listing by a window of dates",
        _M,
        ("edXML 7.5",),
        _window,
    ),
    Case("order", "liệt kê theo thứ tự đến", "listed in order of arrival", _S, ("SND-03",), _order),
    Case(
        "repeat",
        "gửi lại không sinh bản thứ hai",
        "sending again makes no second copy",
        _S,
        ("SND-15", "DID-07", "edXML 9 #9"),
        _repeat,
    ),
    Case(
        "repeat-at-once",
        "gửi lại cùng lúc không sinh bản thứ hai",
        "sending the same at the same time makes no second copy",
        _S,
        ("SND-15", "DID-07"),
        _same_at_once,
    ),
    Case(
        "conflict",
        "mã định danh đã dùng không nhận nội dung khác",
        "an identifier already used takes no other content",
        _S,
        ("DID-07",),
        _conflict,
    ),
)
"""In the order they are played."""
