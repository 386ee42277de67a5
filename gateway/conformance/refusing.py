"""Cases: what must not pass, for whom, and that it is refused for good."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from gateway.conformance.bench import Bench
from gateway.conformance.letters import File, damaged, parcel, status
from gateway.conformance.plan import BrokenError, Case, Level
from gateway.errors import GatewayError
from gateway.ports import Refused, Taken

_FORM: Final = ("22", "10")
_WRONG: Final = ("nothing", "no-xml", "cut-off", "other-namespace", "two-roots")


async def _unknown(bench: Bench) -> None:
    letter = bench.letter(bench.parties.unknown)
    await bench.must_refuse(letter, bench.parcel_of(letter), "18")


async def _locked(bench: Bench) -> None:
    code = bench.need(
        bench.parties.locked,
        "cần đơn vị bị khóa (--locked)",
        "needs a locked agency (--locked)",
    )
    letter = bench.letter(code)
    await bench.must_refuse(letter, bench.parcel_of(letter), "23")


async def _nobody(bench: Bench) -> None:
    letter = bench.letter()
    await bench.must_refuse(
        letter, bench.parcel_of(letter, damaged(letter.packet())["nobody"]), "22", "10", "18"
    )


async def _oversize(bench: Bench) -> None:
    bench.need(
        str(bench.parties.max_bytes or ""),
        "cần biết cỡ gói tin lớn nhất (--max-bytes)",
        "needs the largest packet taken (--max-bytes)",
    )
    size = bench.parties.max_bytes or 0
    letter = bench.letter()
    letter = replace(letter, files=(File("qua-lon.txt", b"DU LIEU THU\n" * (size // 12 + 1)),))
    bench.refused[letter.document_id] = letter.code
    outcome = await bench.hand(bench.parcel_of(letter))
    bench.must(
        not isinstance(outcome, Taken), "nhận gói tin quá lớn", "took a packet that is too large"
    )
    bench.should(
        "final",
        isinstance(outcome, Refused) and outcome.code == "10",
        "từ chối dứt khoát với mã 10",
        "it is refused for good, with code 10",
        "ID-09",
    )


def _damage(*names: str) -> Callable[[Bench], Awaitable[None]]:
    async def play(bench: Bench) -> None:
        for name in names:
            letter = bench.letter()
            try:
                data = damaged(letter.packet())[name]
                await bench.must_refuse(letter, bench.parcel_of(letter, data), *_FORM)
            except BrokenError as exc:
                raise BrokenError(f"{name}: {exc.vi}", f"{name}: {exc.en}") from exc

    return play


async def _sender_told(bench: Bench) -> None:
    letter = bench.letter(sender=_foreign(bench))
    await bench.must_refuse(letter, bench.parcel_of(letter), "19")


async def _sender_inside(bench: Bench) -> None:
    letter = bench.letter(sender=_foreign(bench))
    own = bench.parties.sender.code
    await bench.must_refuse(letter, bench.parcel_of(letter, sender=own), "19")


def _foreign(bench: Bench) -> str:
    return bench.need(
        bench.parties.foreign,
        "cần đơn vị mà bên gửi không đại diện (--foreign)",
        "needs an agency the sender does not speak for (--foreign)",
    )


async def _wrong_secret(bench: Bench) -> None:
    side = bench.parties.sender
    await _shut_out(bench, side.system_id, side.secret[:-1] + bytes([side.secret[-1] ^ 1]))


async def _wrong_system(bench: Bench) -> None:
    side = bench.parties.sender
    await _shut_out(bench, "khong-co-he-thong-nay", b"X" + side.secret)


async def _shut_out(bench: Bench, system_id: str, secret: bytes) -> None:
    """Try everything with credentials that are not good."""
    stranger = bench.client(system_id, secret)
    letter = bench.letter()
    bench.refused[letter.document_id] = letter.code
    outcome = await bench.hand(bench.parcel_of(letter), stranger)
    bench.must(not isinstance(outcome, Taken), "nhận văn bản", "took a document")
    for kind in ("edoc", "status"):
        try:
            rows = await stranger.listing(kind)
        except GatewayError:
            continue
        raise BrokenError(
            f"đưa danh sách {len(rows)} mục; danh sách rỗng cũng là sai",
            f"gave a list of {len(rows)}; an empty one is as wrong",
        )


async def _foreign_item(bench: Bench) -> None:
    """An item of another system can be neither fetched nor taken away."""
    bench.need(
        "yes" if bench.parties.apart else "",
        "cần hai hệ thống khác nhau (--to-system-id)",
        "needs two different systems (--to-system-id)",
    )
    letter = bench.letter()
    await bench.send(letter)
    (received, *_) = await bench.arrived(letter)

    async def fetch() -> None:
        async for _ in bench.sending.fetch(received.item):
            pass

    got = not await bench.fails(fetch())
    for done in (True, False):
        await bench.fails(bench.sending.acknowledge(received.item, done=done, note="thu"))
    (still, *_) = await bench.arrived(letter)
    await bench.take([still])
    bench.must(not got, "tải được gói tin của đơn vị khác", "fetched another agency's packet")


async def _nothing_passed(bench: Bench) -> None:
    """Nothing that was refused is offered to anybody."""
    marker = bench.letter()
    await bench.send(marker)
    await bench.take(await bench.arrived(marker))
    for box, kind in ((bench.receiving, "edoc"), (bench.mail, "status")):
        for received in await box.look("edoc" if kind == "edoc" else "status"):
            code = bench.refused.get(received.document_id)
            bench.must(
                code is None,
                f"văn bản {code} đã bị từ chối mà vẫn đến nơi nhận",
                f"document {code} was refused and arrived all the same",
            )


async def _status_foreign(bench: Bench) -> None:
    """A status in the name of an agency that is not the caller's."""
    foreign = _foreign(bench)
    letter = bench.letter()
    await bench.send(letter)
    data = status(letter, sender=foreign, code="03", description="", at=bench.clock.now())
    what = parcel(
        data,
        kind="status",
        sender=foreign,
        recipients=(letter.sender,),
        document_id=letter.document_id,
    )
    outcome = await bench.hand(what)
    if bench.inbox is not None:
        await bench.take(await bench.arrived(letter))
    bench.must(
        not isinstance(outcome, Taken),
        "nhận trạng thái nhân danh đơn vị khác",
        "took a status in the name of another agency",
    )


_M, _S = Level.MUST, Level.SHOULD

CASES: Final = (
    Case(
        "wrong-recipient",
        "đơn vị nhận không tồn tại: từ chối dứt khoát",
        "unknown recipient: refused for good",
        _M,
        ("ID-09", "SND-15"),
        _unknown,
    ),
    Case(
        "locked-recipient",
        "đơn vị nhận bị khóa: từ chối dứt khoát",
        "locked recipient: refused for good",
        _M,
        ("ID-09", "ID-05"),
        _locked,
    ),
    Case("no-recipient", "không có nơi nhận", "no recipient at all", _M, ("MD-10",), _nobody),
    Case("oversize", "gói tin quá lớn", "too large a packet", _M, ("ID-09",), _oversize),
    Case("malformed", "gói tin hỏng", "malformed packets", _M, ("MD-10",), _damage(*_WRONG)),
    Case(
        "broken-base64",
        "tệp đính kèm mã hóa hỏng",
        "an attachment whose base64 is broken",
        _S,
        ("MD-10", "SND-13"),
        _damage("base64-broken"),
    ),
    Case(
        "doctype",
        "gói tin có DOCTYPE hoặc thực thể ngoài",
        "a packet with DOCTYPE or outer entities",
        _M,
        ("MD-10", "edXML 9 #27"),
        _damage("doctype", "doctype-harmless"),
    ),
    Case(
        "sender-not-caller",
        "gửi nhân danh đơn vị khác",
        "sending in the name of another agency",
        _M,
        ("ID-09", "edXML 9 #4"),
        _sender_told,
    ),
    Case(
        "sender-inside",
        "nơi gửi trong văn bản không phải người gọi",
        "the sender inside the document is not the caller",
        _M,
        ("ID-09", "SND-07"),
        _sender_inside,
    ),
    Case(
        "status-not-caller",
        "báo trạng thái nhân danh đơn vị khác",
        "a status in the name of another agency",
        _M,
        ("STS-03",),
        _status_foreign,
    ),
    Case("wrong-secret", "sai khóa", "a wrong secret", _M, ("SEC-04", "edXML 9 #5"), _wrong_secret),
    Case("unknown-system", "hệ thống lạ", "an unknown system", _M, ("SEC-04",), _wrong_system),
    Case(
        "foreign-item",
        "không lấy được văn bản của đơn vị khác",
        "another agency's items stay its own",
        _M,
        ("SEC-04", "SND-08"),
        _foreign_item,
    ),
)
"""In the order they are played."""

LAST: Final = (
    Case(
        "nothing-passed",
        "không văn bản bị từ chối nào đến nơi nhận",
        "nothing that was refused arrived",
        _M,
        ("SND-15", "MD-10"),
        _nothing_passed,
    ),
)
"""Played when everything else was."""
