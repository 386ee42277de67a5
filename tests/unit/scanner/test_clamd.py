"""FMT-14: clean is what clamd said of the whole file, exactly; everything else is not scanned."""

import asyncio
import hashlib
import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest

from gateway import measures
from gateway.domain.malware import (
    NotScanned,
    Scan,
    ScanResult,
    scan_from_json,
    scan_json,
)
from gateway.scanner.clamd import Clamd, address_of
from tests.world.servers.clamd import EICAR, NAME, STREAM_BYTES
from tests.world.servers.hostile_clamd import HostileClamd, says, whole

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
CLEAN, INFECTED, NOT_SCANNED = ScanResult.CLEAN, ScanResult.INFECTED, ScanResult.NOT_SCANNED


def client(address, *, max_bytes=10_000_000, timeout=timedelta(seconds=60), now=NOW):
    return Clamd(
        address_of(address),
        max_bytes=max_bytes,
        timeout=timeout,
        max_age=timedelta(days=3),
        connections=4,
        now=lambda: now,
    )


def beside(server, **how):
    return client(f"tcp:127.0.0.1:{server.port}", **how)


async def look(scanner, data, *, size=None, at=NOW):
    async def chunks():
        for start in range(0, len(data), 200_000):
            yield data[start : start + 200_000]

    name = hashlib.sha256(data).hexdigest()
    size = len(data) if size is None else size
    return await scanner.scan(chunks, sha256=name, size_bytes=size, at=at)


def standing(what):
    return measures.of(measures.standing, what)._value.get()


# ---------------------------------------------------------------- the real one


async def test_the_real_daemon_finds_what_it_knows_and_passes_the_rest(clamd_server):
    scanner = client(clamd_server.address)
    clean = await look(scanner, b"%PDF-1.7 cong van" * 30_000)
    assert (clean.result, clean.reason, clean.signature) == (CLEAN, None, "")
    assert clean.engine.startswith("ClamAV ")
    infected = await look(scanner, EICAR)
    assert (infected.result, infected.signature) == (INFECTED, f"{NAME}.UNOFFICIAL")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("phu-luc.txt", EICAR)
    assert (await look(scanner, packed.getvalue())).result is INFECTED
    assert (await look(scanner, b"")).result is CLEAN


async def test_more_than_the_real_daemon_takes_is_not_scanned_and_never_clean(clamd_server):
    scanner = client(clamd_server.address)
    for size in range(STREAM_BYTES * 4, STREAM_BYTES * 4 + 20):
        # It hangs up in the middle: its refusal is heard all the same, each time.
        large = await look(scanner, b"\0" * size)
        assert (large.result, large.reason) == (NOT_SCANNED, NotScanned.TOO_LARGE)
    # Within the stream's limit, but over what it looks into: it would call that OK by default.
    partly = await look(scanner, b"\0" * (900 * 1024))
    assert (partly.result, partly.reason) == (NOT_SCANNED, NotScanned.LIMITS)
    assert (await look(scanner, b"mot van ban khac")).result is CLEAN


async def test_what_is_larger_than_the_setting_is_not_even_streamed():
    async with HostileClamd(says(b"stream: OK\0")) as server:
        scan = await look(beside(server, max_bytes=1000), b"x" * 1001)
        assert (scan.result, scan.reason) == (NOT_SCANNED, NotScanned.TOO_LARGE)
        assert server.streams == 0
        assert (await look(beside(server, max_bytes=1000), b"x" * 1000)).result is CLEAN


# ---------------------------------------------------------------- hostile ones


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"stream: OK", NotScanned.UNCLEAR),  # torn: no end mark
        (b"stream: OK\0stream: OK\0", NotScanned.UNCLEAR),
        (b"1: stream: OK\0", NotScanned.UNCLEAR),  # of a session, perhaps another's
        (b"/tmp/khac: OK\0", NotScanned.UNCLEAR),
        (b"stream: OK \0", NotScanned.UNCLEAR),
        (b"", NotScanned.UNCLEAR),
        (b"\0", NotScanned.UNCLEAR),
        (b"stream: " + b"x" * 9000, NotScanned.UNCLEAR),
        (b"INSTREAM size limit exceeded. ERROR\0", NotScanned.TOO_LARGE),
        (b"stream: Can't allocate memory ERROR\0", NotScanned.UNCLEAR),
        (b"stream: Heuristics.Encrypted.PDF FOUND\0", NotScanned.ENCRYPTED),
        (b"stream: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0", NotScanned.LIMITS),
    ],
)
async def test_only_the_exact_answer_counts(answer, reason):
    async with HostileClamd(says(answer)) as server:
        scan = await look(beside(server), b"van ban")
        assert (scan.result, scan.reason) == (NOT_SCANNED, reason)


async def test_an_answer_before_the_end_of_the_file_is_no_answer_about_it():
    spoken = asyncio.Event()

    async def early(reader, writer):
        writer.write(b"stream: OK\0")
        await writer.drain()
        spoken.set()
        await whole(reader)

    async with HostileClamd(early) as server:

        async def chunks():
            yield b"mot"
            async with asyncio.timeout(60):
                await spoken.wait()

        scan = await beside(server).scan(chunks, sha256="a" * 64, size_bytes=3, at=NOW)
        assert (scan.result, scan.reason) == (NOT_SCANNED, NotScanned.UNCLEAR)


async def test_a_daemon_that_hangs_up_or_stalls_is_left_and_the_file_is_not_asked_again_at_once():
    async def hangs_up(reader, _):
        await reader.readexactly(4)

    async with HostileClamd(hangs_up) as server:
        scanner = beside(server)
        for _ in range(3):
            scan = await look(scanner, b"x" * 3_000_000)
            assert (scan.result, scan.reason) == (NOT_SCANNED, NotScanned.UNCLEAR)
        assert server.streams == 1
        server.manner = says(b"stream: OK\0")
        assert (await look(scanner, b"mot tep khac")).result is CLEAN

    async def stalls(reader, _):
        await whole(reader)
        await asyncio.Event().wait()

    async with HostileClamd(stalls) as server:
        scan = await look(beside(server, timeout=timedelta(seconds=2)), b"van ban")
        assert scan.result is NOT_SCANNED
        # On a machine that is slow enough it has not even said its version.
        assert scan.reason in {NotScanned.TIMEOUT, NotScanned.AWAY}


async def test_several_files_in_a_row_without_an_answer_and_nobody_waits_any_more(monkeypatch):
    async def hangs_up(reader, _):
        await reader.readexactly(4)

    async with HostileClamd(hangs_up) as server:
        scanner = beside(server)
        told = [(await look(scanner, bytes([n]))).reason for n in range(6)]
        assert told == [NotScanned.UNCLEAR] * 3 + [NotScanned.AWAY] * 3
        assert (server.streams, standing("scanner")) == (3, 1)
        monkeypatch.setattr(scanner, "_away_until", 0.0)
        server.manner = says(b"stream: OK\0")
        assert (await look(scanner, b"9")).result is CLEAN
        assert standing("scanner") == 0

    # It takes connections and says nothing, not even its version: files that wait are let go.
    monkeypatch.setattr("gateway.scanner.clamd._VERSION_WAIT_S", 0.05)
    async with HostileClamd(says(b""), version=b"") as server:
        scanner = beside(server)
        many = await asyncio.gather(*(look(scanner, bytes([n])) for n in range(40)))
        assert {scan.result for scan in many} == {NOT_SCANNED}
        assert (server.streams, server.versions <= 4) == (0, True)


async def test_fewer_bytes_than_the_file_has_are_never_clean():
    async with HostileClamd(says(b"stream: OK\0")) as server:
        scan = await look(beside(server), b"mot nua", size=14)
        assert (scan.result, scan.reason) == (NOT_SCANNED, NotScanned.UNCLEAR)


async def test_a_name_from_the_daemon_is_cleaned_and_cut():
    async with HostileClamd(says(b"stream: Xau\x1b[31m" + b"a" * 400 + b" FOUND\0")) as server:
        scan = await look(beside(server), b"van ban")
        assert scan.result is INFECTED
        assert len(scan.signature) == 120
        assert scan.signature.isprintable()


async def test_away_is_said_once_and_ends_when_it_answers(tmp_path):
    scanner = client(f"unix:{tmp_path}/khong-co.ctl")
    for data in (b"mot", b"hai"):
        scan = await look(scanner, data)
        assert (scan.result, scan.reason) == (NOT_SCANNED, NotScanned.AWAY)
    assert standing("scanner") == 1
    assert await scanner.version() is None

    async with HostileClamd(says(b"stream: OK\0"), version=b"220 mail.example ESMTP\0") as other:
        scan = await look(beside(other), b"mot")
        assert (scan.result, other.streams) == (NOT_SCANNED, 0)
    async with HostileClamd(says(b"stream: OK\0")) as server:
        again = beside(server)
        again._standing["scanner"] = True
        assert (await look(again, b"mot")).result is CLEAN
        assert standing("scanner") == 0


# ---------------------------------------------------------------- signatures, and what is known


async def test_old_signatures_are_warned_about_and_new_ones_scan_again():
    async with HostileClamd(says(b"stream: OK\0")) as server:
        scanner = beside(server)
        first = await look(scanner, b"van ban")
        assert first.engine == "ClamAV 1.4.3/27500/Fri Nov 20 08:30:12 2026"
        later = NOW + timedelta(hours=1)
        again = await look(scanner, b"van ban", at=later)
        assert (server.streams, server.versions, again.at) == (1, 1, later)
        # Other signatures: what was clean is looked at again, and may be so no more.
        scanner._version = None
        server.version = b"ClamAV 1.4.3/27501/Sat Nov 21 08:30:12 2026\0"
        server.manner = says(b"stream: Moi.Biet FOUND\0")
        assert (await look(scanner, b"van ban")).result is INFECTED
        assert standing("scanner signatures") == 0
        old = beside(server, now=NOW + timedelta(days=4))
        await look(old, b"van ban")
        assert standing("scanner signatures") == 1


def test_a_result_is_kept_as_json_and_read_back():
    for scan in (
        Scan("a" * 64, CLEAN, NOW, engine="ClamAV 1"),
        Scan("a" * 64, INFECTED, NOW, signature="X"),
        Scan("a" * 64, NOT_SCANNED, NOW, reason=NotScanned.AWAY),
    ):
        assert scan_from_json(scan_json(scan)) == scan
    assert not Scan("a", NOT_SCANNED, NOW, reason=NotScanned.AWAY).lasting
    assert Scan("a", NOT_SCANNED, NOW, reason=NotScanned.TOO_LARGE).lasting


def test_addresses():
    assert str(address_of("unix:/run/clamav/clamd.ctl")) == "unix:/run/clamav/clamd.ctl"
    assert address_of("tcp:[::1]:3310").host == "::1"
    assert str(address_of("tcp:127.0.0.1:3310")) == "tcp:127.0.0.1:3310"
