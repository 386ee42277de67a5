import asyncio
import hashlib
import os
import signal
import subprocess
import sys
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
import uvloop

from gateway.demo.letters import make_plain_pdf
from gateway.errors import Reason, UnavailableError
from gateway.trust.report import Verdict
from gateway.verifier.pool import MIB, VerifierPool
from tests.world import bombs
from tests.world.signed_files import NOW, letter, once, pki, trust_of, twice

HOSTILE = "tests.world.hostile_worker"
ROOT = Path(__file__).resolve().parents[2]
# What is about processes starts them as the gateway does; the others need what a process answers.
of_processes = pytest.mark.usefixtures("real_workers")


@asynccontextmanager
async def pool(trust: Path | None = None, **settings):
    made = VerifierPool(trust or pki().trust_dir, workers=settings.pop("workers", 1), **settings)
    try:
        yield made
    finally:
        await made.close()
        assert made.worker_ids == ()


async def ask(
    verifier: VerifierPool, folder: Path, data: bytes, at=NOW + timedelta(minutes=1), lane=0
):
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / sha256
    path.write_bytes(data)
    return await verifier.verify(path, sha256=sha256, size_bytes=len(data), at=at, lane=lane)


@of_processes
@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_files_of_all_kinds_get_their_report(tmp_path, run):
    async def main():
        async with pool(workers=2) as verifier:
            await verifier.warm()
            assert len(verifier.worker_ids) == 2
            files = [twice(), letter(), b"hello", make_plain_pdf(4096), b"%PDF-1.7 rubbish"]
            return await asyncio.gather(*(ask(verifier, tmp_path, data) for data in files))

    reports = run(main())
    assert [r.verdict.value for r in reports] == [
        "valid",
        "unsigned",
        "unsigned",
        "unsigned",
        "unreadable",
    ]
    assert {r.trust_sha256 for r in reports} == {reports[0].trust_sha256}


async def test_the_same_bytes_are_verified_once(tmp_path):
    async with pool() as verifier:
        first = await asyncio.gather(*(ask(verifier, tmp_path, once()) for _ in range(5)))
        again = await ask(verifier, tmp_path, once())
        assert {r.verdict for r in first} == {Verdict.VALID}
        assert again == first[0]
        assert (verifier.facts.verified, verifier.facts.cached) == (1, 1)
        # Another time is another question, for signed bytes.
        later = await ask(verifier, tmp_path, once(), NOW + timedelta(hours=2))
        assert later.verified_at == NOW + timedelta(hours=2)
        assert verifier.facts.verified == 2


async def test_an_unsigned_answer_is_good_for_any_time(tmp_path):
    async with pool() as verifier:
        await ask(verifier, tmp_path, letter())
        later = await ask(verifier, tmp_path, letter(), NOW + timedelta(days=9))
        assert later.verified_at == NOW + timedelta(days=9)
        assert verifier.facts.verified == 1


async def test_a_changed_trust_directory_is_seen_without_restart(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.verifier.trusted._STAMP_S", 0.0)
    trust = trust_of(pki(), crls=False)
    async with pool(trust) as verifier:
        before = await ask(verifier, tmp_path, once())
        assert before.verdict is Verdict.INDETERMINATE
        for crl in pki().trust_dir.glob("*.crl"):
            (trust / crl.name).write_bytes(crl.read_bytes())
        after = await ask(verifier, tmp_path, once())
        assert after.verdict is Verdict.VALID
        assert after.trust_sha256 != before.trust_sha256
        assert verifier.facts.started == 1


async def test_a_file_over_the_limit_is_indeterminate(tmp_path):
    async with pool(max_bytes=1 * MIB) as verifier:
        report = await ask(verifier, tmp_path, make_plain_pdf(MIB + 1))
        assert report.verdict is Verdict.INDETERMINATE
        assert [n.code for n in report.notes] == ["too-large"]
        assert verifier.worker_ids == ()


@of_processes
@pytest.mark.parametrize("word", [b"%PDF-LOOP", b"%PDF-WAIT"])
async def test_a_worker_that_hangs_is_killed_and_replaced(tmp_path, word):
    async with pool(timeout_s=3.0, worker_module=HOSTILE) as verifier:
        report = await ask(verifier, tmp_path, word)
        assert report.verdict is Verdict.INDETERMINATE
        assert [n.code for n in report.notes] == ["verifier-failed"]
        assert verifier.facts.killed == 1
        assert (await ask(verifier, tmp_path, letter())).verdict is Verdict.UNSIGNED
        # The bad file is not tried again at once.
        await ask(verifier, tmp_path, word)
        assert verifier.facts.killed == 1


@of_processes
async def test_a_worker_that_dies_or_runs_out_of_memory_is_told(tmp_path):
    async with pool(worker_module=HOSTILE, memory_bytes=600 * MIB) as verifier:
        crash = await ask(verifier, tmp_path, b"%PDF-CRASH")
        assert crash.verdict is Verdict.INDETERMINATE
        assert "SIGSEGV" in crash.notes[0].en
        assert verifier.facts.died == 1
        eat = await ask(verifier, tmp_path, b"%PDF-EAT")
        assert "memory" in eat.notes[0].en
        deep = await ask(verifier, tmp_path, b"%PDF-DEEP")
        assert "depth" in deep.notes[0].en
        assert (await ask(verifier, tmp_path, letter())).verdict is Verdict.UNSIGNED
        assert verifier.facts.started == 2


@of_processes
async def test_an_idle_worker_that_was_killed_costs_no_file(tmp_path):
    async with pool() as verifier:
        await verifier.warm()
        (pid,) = verifier.worker_ids
        os.kill(pid, signal.SIGKILL)
        assert (await ask(verifier, tmp_path, once())).verdict is Verdict.VALID


@of_processes
async def test_workers_are_recycled_without_anyone_waiting(tmp_path):
    async with pool(recycle_after=2) as verifier:
        await verifier.warm()
        (first,) = verifier.worker_ids
        size = 2000
        while first in verifier.worker_ids:
            size += 1
            assert size < 20_000, "the worker was never replaced"
            assert (await ask(verifier, tmp_path, make_plain_pdf(size))).verdict is Verdict.UNSIGNED
        assert size > 2002
        assert len(verifier.worker_ids) == 1
        assert verifier.facts.died == 0


async def test_the_queue_is_bounded(tmp_path):
    async with pool(max_waiting=1, worker_module=HOSTILE, timeout_s=20) as verifier:
        await verifier.warm()
        busy = asyncio.create_task(ask(verifier, tmp_path, b"%PDF-WAIT"))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(ask(verifier, tmp_path, letter()))
        for _ in range(5):
            await asyncio.sleep(0)
        with pytest.raises(UnavailableError) as caught:
            await ask(verifier, tmp_path, once())
        assert caught.value.reason is Reason.OVERLOADED
        assert caught.value.retry_after_s
        await verifier.close()
        for task in (busy, waiting):
            with pytest.raises(UnavailableError):
                await task


NEVER = 3600.0


async def _held(verifier, folder, name="gate", lane=0):
    """Have a file hold a worker until its gate is opened; return the task and the gate."""
    gate = folder / name
    task = asyncio.create_task(ask(verifier, folder, b"%PDF-HOLD " + os.fsencode(gate), lane=lane))
    while not verifier.worker_ids or verifier.facts.waiting:  # noqa: ASYNC110 — no event to wait for
        await asyncio.sleep(0)
    return task, gate


async def test_the_urgent_overtake_those_that_wait(tmp_path):
    done = []

    async def one(name, data, lane):
        await ask(verifier, tmp_path, data, lane=lane)
        done.append(name)

    async with pool(worker_module=HOSTILE, timeout_s=60, patience_s=NEVER) as verifier:
        await verifier.warm()
        busy, gate = await _held(verifier, tmp_path)
        jobs = [
            asyncio.create_task(one("normal", make_plain_pdf(2000), 0)),
            asyncio.create_task(one("later", make_plain_pdf(2100), 0)),
            asyncio.create_task(one("urgent", make_plain_pdf(2200), 2)),
        ]
        await asyncio.sleep(0)
        # Asked for again, more urgently: the one that waits is moved up.
        jobs.append(asyncio.create_task(one("moved", make_plain_pdf(2100), 3)))
        await asyncio.sleep(0)
        assert verifier.facts.waiting == 3
        gate.touch()
        await asyncio.gather(busy, *jobs)
        assert set(done[:2]) == {"later", "moved"}
        assert done[2:] == ["urgent", "normal"]
        assert verifier.facts.started == 1


@pytest.mark.parametrize("workers", [1, 2])
async def test_slow_files_do_not_delay_an_urgent_one(tmp_path, workers):
    settings = {"worker_module": HOSTILE, "timeout_s": 100, "patience_s": 0.0, "linger_s": 0.0}
    async with pool(workers=workers, **settings) as verifier:
        await verifier.warm()
        slow = [await _held(verifier, tmp_path, f"gate{n}") for n in range(workers)]
        normal = asyncio.create_task(ask(verifier, tmp_path, letter()))
        urgent = await ask(verifier, tmp_path, once(), lane=1)
        assert urgent.verdict is Verdict.VALID
        assert not any(task.done() for task, _ in slow)
        assert not normal.done()
        # Its process was a help for the moment.
        while len(verifier.worker_ids) > workers:  # noqa: ASYNC110 — as above
            await asyncio.sleep(0.01)
        for _, gate in slow:
            gate.touch()
        assert (await normal).verdict is Verdict.UNSIGNED
        await asyncio.gather(*(task for task, _ in slow))


@of_processes
async def test_bombs_and_loops_end_within_the_limits_and_hurt_nobody(tmp_path):
    async with pool(workers=2, timeout_s=8.0, memory_bytes=768 * MIB) as verifier:
        await verifier.warm()
        hostile = [ask(verifier, tmp_path, make()) for make in bombs.ALL]
        honest = [ask(verifier, tmp_path, data) for data in (once(), letter())]
        urgent = ask(verifier, tmp_path, twice(), lane=4)
        *reports, signed, unsigned, seal = await asyncio.gather(*hostile, *honest, urgent)
        assert [r.verdict.value for r in (signed, unsigned, seal)] == ["valid", "unsigned", "valid"]
        found = {make.__name__: r.verdict for make, r in zip(bombs.ALL, reports, strict=True)}
        assert Verdict.VALID not in found.values(), found
        assert verifier.facts.waiting == 0


async def test_who_stops_waiting_leaves_the_answer(tmp_path):
    async with pool() as verifier:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(verifier, tmp_path, twice()), 0.01)
        assert (await ask(verifier, tmp_path, twice())).verdict is Verdict.VALID
        assert verifier.facts.verified == 1


async def test_a_file_that_is_gone_is_our_trouble_not_the_files(tmp_path):
    async with pool() as verifier:
        with pytest.raises(UnavailableError):
            await verifier.verify(tmp_path / "none", sha256="b" * 64, size_bytes=3, at=NOW)


async def test_a_closed_pool_says_so(tmp_path):
    async with pool() as verifier:
        await verifier.close()
        with pytest.raises(UnavailableError):
            await ask(verifier, tmp_path, b"hello")


@of_processes
async def test_a_worker_that_does_not_start_is_our_trouble(tmp_path):
    async with pool(worker_module="tests.world.no_such_module") as verifier:
        with pytest.raises(UnavailableError):
            await ask(verifier, tmp_path, letter())


async def test_secrecy_stamps_come_with_the_report(tmp_path):
    async with pool() as verifier:
        secret = await ask(verifier, tmp_path, letter(urgency="TỐI MẬT"))
        assert secret.secrecy_marks == ("TỐI MẬT",)
        plain = await ask(verifier, tmp_path, letter(subject="bảo mật thông tin, mật độ dân số"))
        assert plain.secrecy_marks == ()
        text = await ask(verifier, tmp_path, "UBND TỈNH\nMẬT\nSố: 1".encode())
        assert text.secrecy_marks == ("MẬT",)
        assert text.verdict is Verdict.UNSIGNED


@pytest.mark.parametrize(
    ("loop", "busy", "how"),
    [
        ("asyncio", True, signal.SIGKILL),
        ("uvloop", True, signal.SIGKILL),
        ("uvloop", False, signal.SIGKILL),
        ("asyncio", False, signal.SIGTERM),
        ("asyncio", True, signal.SIGINT),
    ],
)
def test_workers_go_when_their_owner_goes(tmp_path, loop, busy, how):
    file = tmp_path / "loop"
    file.write_bytes(b"%PDF-LOOP")
    command = [sys.executable, "-m", "tests.world.pool_owner", str(pki().trust_dir)]
    owner = subprocess.Popen(
        [*command, str(file) if busy else "-", loop],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with owner:
        workers = [psutil.Process(int(pid)) for pid in owner.stdout.readline().split()]
        assert len(workers) == 2
        owner.send_signal(how)
        owner.wait(60)
        gone, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive, [p.pid for p in alive]
        assert len(gone) == 2


async def test_a_list_taken_meanwhile_is_seen_at_the_next_file(tmp_path, monkeypatch):
    """The store's identity is part of the trust identity; workers need no restart (SIG-42)."""
    from gateway.trust.anchors import TrustStore
    from gateway.verifier.revocation import RevocationStore

    monkeypatch.setattr("gateway.verifier.trusted._STAMP_S", 0.0)
    bare = TrustStore.load(trust_of(pki(), crls=False))
    store = RevocationStore(tmp_path / "revocation")
    told = []
    async with pool(trust_of(pki(), crls=False), revocation_dir=store.folder) as verifier:
        verifier.on_report = told.append
        before = await ask(verifier, tmp_path, once())
        for file in sorted(pki().trust_dir.glob("*.crl")):
            store.take(file.read_bytes(), [*bare.anchors, *bare.intermediates])
        after = await ask(verifier, tmp_path, once())
        again = await ask(verifier, tmp_path, once())
        store.close()
    assert (before.verdict, before.signatures[0].sub_indication) == (
        Verdict.INDETERMINATE,
        "TRY_LATER",
    )
    assert after.verdict is Verdict.VALID
    assert before.trust_sha256 == bare.sha256 != after.trust_sha256
    assert again is after
    assert told == [before, after]
    assert {r.source for r in after.signatures[0].revocation} == {"stored-crl", ""}
