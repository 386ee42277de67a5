"""The office that seals reports: renders, signs, has it checked, keeps it, stamps it when it can.

Only reports made here are sealed; no bytes from outside ever are (SIG-03). Promises: a report is
always given: without a usable certificate it is not sealed and says so; without a time-stamp it is
sealed all the same and stamped later, as an update that leaves the sealed part as it is; each
trouble is one alarm and a standing warning until it is over. What was sealed is verified by the
code that verifies strangers, before anybody gets it. A crash loses at most a report that is made
again when asked for.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from asn1crypto import x509
from cryptography.hazmat.primitives import hashes
from pyhanko.pdf_utils.misc import PdfReadError

from gateway import observe
from gateway.errors import GatewayError
from gateway.ports import Clock
from gateway.reports import pdf
from gateway.reports.model import Dossier
from gateway.reports.printing import PrintedReport
from gateway.seal import sealing
from gateway.seal.identity import SealIdentity
from gateway.seal.kept import COMPLETE, Kept, KeptReports
from gateway.seal.proofs import Proofs
from gateway.seal.timestamps import Ask, SealStamper, StampError
from gateway.trust.report import Answer, Verdict, VerificationReport

_PERIOD_S: Final = 30.0
_FIRST_WAIT: Final = timedelta(minutes=1)
_LONGEST_WAIT: Final = timedelta(minutes=30)
_SWEEP_EVERY: Final = timedelta(hours=1)
_AT_ONCE: Final = 2

Check = Callable[[bytes, datetime], Awaitable[VerificationReport]]
"""Verifies a sealed report as a stranger's file; raises GatewayError when it cannot."""


class FindProofs(Protocol):
    """`gateway.seal.proofs.ProofSource.find`."""

    def __call__(
        self,
        leaves: tuple[x509.Certificate, ...],
        others: tuple[x509.Certificate, ...],
        at: datetime,
    ) -> Proofs:
        """Return chain and revocation data."""


@dataclass(slots=True)
class _Trouble:
    """One kind of trouble: an alarm when it begins, a standing warning until it ends."""

    what: str
    standing: str
    active: bool = False
    detail: str = ""

    def begin(self, failure: BaseException | None = None, subject: str | None = None) -> None:
        self.detail = subject or (str(failure) or type(failure).__name__ if failure else "")
        if not self.active:
            self.active = True
            observe.alarm(what=self.what, subject=subject, failure=failure)
            observe.standing_warning(what=self.standing, active=True)

    def end(self) -> None:
        if self.active:
            self.active = False
            observe.standing_warning(what=self.standing, active=False)


@dataclass(slots=True)
class _Pause:
    """When the authority is asked again after it failed."""

    until: datetime | None = None
    wait: timedelta = _FIRST_WAIT

    def over(self, now: datetime) -> bool:
        return self.until is None or now >= self.until

    def longer(self, now: datetime) -> None:
        self.until = now + self.wait
        self.wait = min(2 * self.wait, _LONGEST_WAIT)

    def end(self) -> None:
        self.until, self.wait = None, _FIRST_WAIT


class SealOffice:
    """Gives out reports on paper, sealed.

    Args:
        identity: Who seals.
        clock: Time.
        proofs: Finds chain and revocation data.
        ask: Asks the time-stamp authority; None when there is none: then nothing waits for it.
        check: Verifies what was sealed; None to go without.
        kept: Where sealed reports stay; None to keep nothing.
        keep: How long complete ones stay.
    """

    def __init__(
        self,
        identity: SealIdentity,
        clock: Clock,
        proofs: FindProofs,
        ask: Ask | None,
        *,
        check: Check | None = None,
        kept: KeptReports | None = None,
        keep: timedelta = timedelta(days=30),
    ) -> None:
        self.identity = identity
        self._clock = clock
        self._proofs = proofs
        self._ask = ask
        self._check = check
        self._kept = kept
        self._keep = keep
        self._room = asyncio.Semaphore(_AT_ONCE)
        self._making = _Turns()
        self._pause = _Pause()
        self._sweep_at: datetime | None = None
        self._seal_trouble = _Trouble("report seal", "report_seal")
        self._trust_trouble = _Trouble("report seal not trusted here", "report_seal_trust")
        self._stamp_trouble = _Trouble("report time-stamp", "report_stamp")
        self._proof_trouble = _Trouble("report seal lacks revocation data", "report_proofs")

    # ------------------------------------------------------------ giving out

    async def printed(self, dossier: Dossier) -> PrintedReport:
        """Return the report on paper; sealed when that is possible, and never failing for it."""
        if dossier.facts is not None and dossier.facts.pending:
            return await _unsealed(dossier)  # nothing is stated yet
        if not self.identity.good_at(self._clock.now()):
            self._seal_trouble.begin(subject="certificate out of term")
            return await _unsealed(dossier)
        try:
            return await self._sealed(dossier)
        except Exception as exc:  # noqa: BLE001 — a report is given whatever the seal does
            self._seal_trouble.begin(exc)
            return await _unsealed(dossier)

    async def _sealed(self, dossier: Dossier) -> PrintedReport:
        named = replace(dossier, sealed_by=self.identity.name)
        plain = await asyncio.to_thread(pdf.render, named)
        key = self._key(plain)
        async with self._making.of(key):
            found = None if self._kept is None else await asyncio.to_thread(self._kept.get, key)
            if found is not None:
                return PrintedReport(*found, waiting=self._waits(found[1]))
            async with self._room:
                made, level = await self._seal(plain)
            # SEC-01: a paper about a secret document stays nowhere but with who asked for it.
            if self._kept is not None and not _is_secret(dossier):
                await asyncio.to_thread(self._kept.put, key, level, made, self._clock.now())
                return PrintedReport(made, level, self._waits(level))
            return PrintedReport(made, level)

    def _key(self, plain: bytes) -> str:
        own = self.identity.certificate.fingerprint(hashes.SHA256())
        return hashlib.sha256(own + hashlib.sha256(plain).digest()).hexdigest()

    def _waits(self, level: str) -> bool:
        return self._ask is not None and level != COMPLETE

    async def _seal(self, plain: bytes) -> tuple[bytes, str]:
        now = self._clock.now()
        sealed = None
        if self._ask is not None and self._pause.over(now):
            try:
                stamper = SealStamper(self._ask)
                sealed = await _aside(lambda: sealing.seal(plain, self.identity, now, stamper))
                self._stamp_came()
            except StampError as exc:
                self._stamp_failed(exc)
        bare = sealed is None
        sealed = sealed or await self._bare(plain, now)
        made, level = await asyncio.to_thread(self._complete, sealed, now)
        try:
            await self._verify(made)
        except SealRefusedError as exc:
            if bare:
                raise
            # Perhaps it is the authority's part that spoils it: then it holds without.
            sealed = await self._bare(plain, now)
            made, level = await asyncio.to_thread(self._complete, sealed, now)
            await self._verify(made)
            self._stamp_failed(StampError(str(exc)))
        self._seal_trouble.end()
        observe.report_sealed(level=level)
        return made, level

    async def _bare(self, plain: bytes, now: datetime) -> sealing.Sealed:
        """Seal without a time-stamp."""
        return await _aside(lambda: sealing.seal(plain, self.identity, now, None))

    def _complete(self, sealed: sealing.Sealed, now: datetime) -> tuple[bytes, str]:
        """Add the proofs of a stamped seal when all are at hand; return file and level."""
        proofs = self._proofs(sealed.leaves, sealed.others, now)
        if proofs.revoked:
            raise SealRefusedError("a certificate of the seal is revoked")
        if not sealed.stamped:
            return sealed.pdf, "B-B"
        if not proofs.complete:
            self._proof_trouble.begin(subject=proofs.lacking[0])
            return sealed.pdf, "B-T"
        self._proof_trouble.end()
        return sealing.add_proofs(sealed.pdf, proofs), COMPLETE

    async def _verify(self, made: bytes) -> None:
        """Have a sealed report verified; SealRefusedError when it does not hold."""
        if self._check is None:
            return
        try:
            report = await self._check(made, self._clock.now())
        except (GatewayError, OSError, TimeoutError):
            return  # nothing was learnt about it
        seals = [s for s in report.signatures if s.field == sealing.FIELD]
        if len(seals) != 1 or seals[0].intact is not Answer.YES:
            raise SealRefusedError("our own verifier does not accept the seal")
        if report.verdict is Verdict.VALID:
            self._trust_trouble.end()
        elif report.verdict is Verdict.INVALID:
            raise SealRefusedError("our own verifier calls the seal invalid")
        else:
            self._trust_trouble.begin(subject=seals[0].sub_indication or None)

    # ------------------------------------------------------------ the time-stamp that comes later

    async def run(self) -> None:
        """Complete what waits, until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as exc:  # noqa: BLE001 — the next round may find it mended
                self._seal_trouble.begin(exc)
            await asyncio.sleep(_PERIOD_S)

    async def once(self) -> int:
        """Complete what waits and remove what is old; return how many were completed."""
        now = self._clock.now()
        if self._kept is None:
            return 0
        if self._sweep_at is None or now >= self._sweep_at:
            self._sweep_at = now + _SWEEP_EVERY
            await asyncio.to_thread(self._kept.sweep, now, self._keep)
        if self._ask is None or not self._pause.over(now):
            return 0
        return await self.complete_waiting()

    async def complete_waiting(self) -> int:
        """Stamp and complete what waits, now; return how many are complete."""
        if self._kept is None or self._ask is None:
            return 0
        done = 0
        for one in await asyncio.to_thread(self._kept.waiting):
            finished = False
            async with self._making.of(one.key), self._room:
                try:
                    finished = await self._better(one, self._kept, self._ask)
                except StampError as exc:
                    self._stamp_failed(exc)
                    break
                except PdfReadError as exc:  # damaged: made anew when asked for
                    self._seal_trouble.begin(exc)
                    await asyncio.to_thread(one.path.unlink, missing_ok=True)
                except Exception as exc:  # noqa: BLE001 — one report does not hold up the others
                    self._seal_trouble.begin(exc)
            done += finished
            if not finished and self._proof_trouble.active:
                break  # what this one lacks the others lack too
        return done

    async def _better(self, one: Kept, kept: KeptReports, ask: Ask) -> bool:
        """Bring one report as far as it goes; tell whether it is complete, or gone."""
        now = self._clock.now()
        found = await asyncio.to_thread(kept.get, one.key)
        if found is None or found[1] != one.level:
            return True
        if one.level == "B-B":
            stamper = SealStamper(ask)
            stamped = await _aside(lambda: sealing.add_stamp(found[0], self.identity, stamper))
            self._stamp_came()
        else:
            leaves, others = await asyncio.to_thread(sealing.stamped_by, found[0])
            own, beside = sealing.certificates_of(self.identity)
            stamped = sealing.Sealed(found[0], (own, *leaves), (*beside, *others), stamped=True)
        made, level = await asyncio.to_thread(self._complete, stamped, now)
        if level == one.level:
            return False
        try:
            await self._verify(made)
        except SealRefusedError as exc:
            # What is kept stays as it is; the authority is not asked again for each that waits.
            raise StampError(str(exc)) from exc
        await asyncio.to_thread(kept.put, one.key, level, made, now)
        observe.report_sealed(level=level)
        return level == COMPLETE

    @property
    def troubles(self) -> dict[str, str]:
        """What is in the way right now: what the alarm calls it, and the detail."""
        kinds = (
            self._seal_trouble,
            self._trust_trouble,
            self._stamp_trouble,
            self._proof_trouble,
        )
        return {trouble.what: trouble.detail for trouble in kinds if trouble.active}

    async def waiting(self) -> int:
        """Return how many reports wait."""
        if self._kept is None or self._ask is None:
            return 0
        return len(await asyncio.to_thread(self._kept.waiting))

    def _stamp_came(self) -> None:
        self._pause.end()
        self._stamp_trouble.end()

    def _stamp_failed(self, failure: StampError) -> None:
        self._pause.longer(self._clock.now())
        self._stamp_trouble.begin(subject=str(failure)[:100])


class SealRefusedError(Exception):
    """The seal that was made is not one to give out."""


@dataclass(slots=True)
class _Turns:
    """One at a time for each key; knows only the keys somebody is busy with."""

    _locks: dict[str, tuple[asyncio.Lock, int]] = field(default_factory=dict)

    @asynccontextmanager
    async def of(self, key: str) -> AsyncIterator[None]:
        """Wait for the turn of a key and hold it for the length of the block."""
        lock, users = self._locks.get(key, (asyncio.Lock(), 0))
        self._locks[key] = lock, users + 1
        try:
            async with lock:
                yield
        finally:
            lock, users = self._locks.pop(key)
            if users > 1:
                self._locks[key] = lock, users - 1


async def _unsealed(dossier: Dossier) -> PrintedReport:
    return PrintedReport(await asyncio.to_thread(pdf.render, dossier))


def _is_secret(dossier: Dossier) -> bool:
    return any(s.report is not None and s.report.secrecy_marks for s in dossier.files)


async def _aside(make: Callable[[], Coroutine[Any, Any, sealing.Sealed]]) -> sealing.Sealed:
    """Run signing in a thread of its own: it computes more than it waits."""
    return await asyncio.to_thread(lambda: asyncio.run(make()))
