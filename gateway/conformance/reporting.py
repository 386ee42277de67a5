"""Cases: statuses come back to the sender, with their words, once."""

from typing import Final

from gateway.conformance.bench import Bench, Received
from gateway.conformance.letters import Letter, parcel, status
from gateway.conformance.plan import Case, Level

REASON: Final = "Văn bản gửi nhầm đơn vị (R01) - dữ liệu thử"


async def _accepted(bench: Bench) -> None:
    letter = await _in_their_hands(bench)
    await _report(bench, letter, "03")
    (received, *_) = await bench.reported(letter, "03")
    _about(bench, letter, received)
    early = [r for r in await bench.mail.look("status") if r.document_id == letter.document_id]
    bench.should(
        "receipt-01",
        any(r.status is not None and r.status.code == "01" for r in early),
        "hồi báo 01 tự động khi văn bản đã vào hệ thống nhận",
        "receipt 01 comes by itself once the document is in the recipient's system",
        "STS-08",
        "RCV-05",
    )
    for one in early:
        for _ in range(2):
            await bench.sending.acknowledge(one.item, done=True)
    left = {r.item.peer_doc_id for r in await bench.mail.look("status")}
    bench.must(
        not left & {one.item.peer_doc_id for one in early},
        "đã xác nhận mà trạng thái vẫn còn trong danh sách",
        "a status acknowledged is still listed",
    )


async def _returned(bench: Bench) -> None:
    letter = await _in_their_hands(bench)
    await _report(bench, letter, "02", REASON)
    (received, *_) = await bench.reported(letter, "02")
    _about(bench, letter, received)
    told = received.status.description if received.status is not None else ""
    bench.must("R01" in told, f"lý do trả lại bị mất: «{told}»", f"the reason was lost: {told!r}")
    await _clear(bench, letter)


async def _finished(bench: Bench) -> None:
    letter = await _in_their_hands(bench)
    for code in ("03", "04", "05", "06"):
        await _report(bench, letter, code)
    for code in ("03", "06"):
        await bench.reported(letter, code)
    await _clear(bench, letter)


async def _twice(bench: Bench) -> None:
    letter = await _in_their_hands(bench)
    for _ in range(2):
        await _report(bench, letter, "03")
    await bench.reported(letter, "03")
    await _clear(bench, letter)


async def _in_their_hands(bench: Bench) -> Letter:
    """Send a letter and let the recipient take it."""
    letter = bench.letter()
    await bench.send(letter)
    await bench.take(await bench.arrived(letter))
    return letter


async def _report(bench: Bench, letter: Letter, code: str, description: str = "") -> None:
    data = status(
        letter,
        sender=bench.parties.to,
        code=code,
        description=description,
        at=bench.clock.now(),
    )
    what = parcel(
        data,
        kind="status",
        sender=bench.parties.to,
        recipients=(letter.sender,),
        document_id=letter.document_id,
    )
    await bench.taken(what, bench.receiving.adapter)


def _about(bench: Bench, letter: Letter, received: Received) -> None:
    told = received.status
    code = "" if told is None else told.response_for.code
    bench.must(
        received.document_id == letter.document_id and code == letter.code,
        f"trạng thái nói về «{received.document_id}», «{code}»",
        f"the status is about {received.document_id!r}, {code!r}",
    )
    sender = "" if told is None else told.sender.organ_id
    bench.must(
        sender == bench.parties.to,
        f"trạng thái ghi nơi báo là «{sender}»",
        f"the status names {sender!r} as who reports",
    )


async def _clear(bench: Bench, letter: Letter) -> None:
    for received in await bench.mail.look("status"):
        if received.document_id == letter.document_id:
            await bench.sending.acknowledge(received.item, done=True)


_M, _S = Level.MUST, Level.SHOULD

CASES: Final = (
    Case(
        "status-accepted",
        "trạng thái 03 về đến bên gửi, đúng văn bản",
        "status 03 reaches the sender, about the right document",
        _M,
        ("STS-03", "STS-04", "DID-06"),
        _accepted,
    ),
    Case(
        "status-returned",
        "trả lại 02 kèm lý do",
        "returned with 02 and its reason",
        _M,
        ("RCV-04", "STS-02"),
        _returned,
    ),
    Case(
        "status-finished",
        "từ 03 đến 06 theo thứ tự",
        "from 03 to 06 in order",
        _M,
        ("STS-02", "STS-03"),
        _finished,
    ),
    Case(
        "status-twice",
        "báo hai lần cùng một trạng thái không hỏng gì",
        "the same status reported twice breaks nothing",
        _S,
        ("STS-07", "SND-15"),
        _twice,
    ),
)
"""In the order they are played."""
