"""revocation: keeps revocation lists fresh, and says so when they are not.

Every few seconds: files of the drop folder are taken; addresses that are due are asked; whoever
waits for fresh lists is told, also of lists another process took; ages become metrics, and a list
about to end, ended or missing becomes one alarm per authority, not one remark per document.
Promises: the next time is decided before dialling, so a crash cannot hammer an address; failures
back off and never stop the others; what is fetched is verified before it is used. What is
remembered between runs (`fetched.json`: marks and next times) may be lost: then everything is asked
once more.
"""

import asyncio
import json
import os
import secrets
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from asn1crypto import x509

from gateway import observe
from gateway.domain.moments import from_text, to_text
from gateway.ports import Clock, ListHealth, RevocationHealth
from gateway.trust.anchors import TrustStore
from gateway.trust.crl import RefusedListError, lists_in
from gateway.trust.fingerprint import stamp
from gateway.trust.ocsp import make_query, pointers_of, read_answer
from gateway.trust.report import Verdict, VerificationReport
from gateway.verifier.dropfolder import DropFolder
from gateway.verifier.fetch import Fetcher, FetchError
from gateway.verifier.healthnote import write_health
from gateway.verifier.revocation import AuthorityState, RevocationStore, Taken

_PERIOD_S: Final = 5.0
_SOON: Final = timedelta(minutes=15)
_FIRST_WAIT: Final = timedelta(minutes=1)
_JITTER: Final = 0.1
_NONCE_BYTES: Final = 32
_SKEW: Final = timedelta(minutes=5)
_MAX_WANTED: Final = 1000
_AT_ONCE: Final = 20
_STATE_FILE: Final = "fetched.json"


@dataclass(slots=True)
class _Address:
    """What is remembered of one address."""

    etag: str = ""
    last_modified: str = ""
    next_at: str = ""
    ends: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What became of asking one address.

    Args:
        url: The address.
        outcome: `taken`, `unchanged`, `refused` or `failed`.
        vi: Why, or what was taken, Vietnamese.
        en: The same in English.
    """

    url: str
    outcome: str
    vi: str
    en: str


@dataclass(slots=True)
class _Issuers:
    """What of the trust folder concerns lists, read again when it was touched."""

    directory: Path
    stamp: object = None
    found: tuple[x509.Certificate, ...] = ()
    beside: tuple[bytes, ...] = ()
    pointers: tuple[str, ...] = ()

    def read(self) -> tuple[x509.Certificate, ...]:
        current = stamp(self.directory)
        if current != self.stamp:
            store = TrustStore.load(self.directory)
            self.stamp, self.found = current, (*store.anchors, *store.intermediates)
            self.beside = tuple(c.crl_data.dump() for c in store.crls)
            self.pointers = tuple({u: None for c in self.found for u in pointers_of(c)})
        return self.found


@dataclass(slots=True)
class Watching:
    """How the watch works.

    Args:
        every: How often an address is asked.
        warn_before: A list that ends sooner is an alarm.
        random: A number in [0, 1), for jitter.
    """

    every: timedelta = timedelta(hours=6)
    warn_before: timedelta = timedelta(days=1)
    random: Callable[[], float] = field(default=lambda: 0.5)


class RevocationWatch:
    """The program that keeps lists fresh.

    Args:
        store: Where lists are kept.
        trust_dir: Whose certificates may have issued them.
        fetcher: Dials out.
        clock: Time.
        watching: Periods.
        on_fresh: Told the common name of an authority whose list or answer came in.
    """

    def __init__(
        self,
        store: RevocationStore,
        trust_dir: Path,
        fetcher: Fetcher,
        clock: Clock,
        *,
        watching: Watching | None = None,
        on_fresh: Callable[[str], None] | None = None,
    ) -> None:
        self._store = store
        self._issuers = _Issuers(trust_dir)
        self._fetcher = fetcher
        self._clock = clock
        self._watching = watching or Watching()
        self._on_fresh = on_fresh
        self._drop = DropFolder(store)
        self._addresses = _load(store.folder / _STATE_FILE)
        self._wanted: dict[tuple[str, int], datetime] = {}
        self._top = -1
        self._turn = asyncio.Lock()
        self._alarmed: dict[str, str] = {}
        self._health = RevocationHealth()

    async def run(self) -> None:
        """Work until cancelled."""
        while True:
            try:
                await self.once()
            except Exception as exc:  # noqa: BLE001 — the next look may find the trouble gone
                observe.program_failed(program="revocation", failure=exc, retry_in_s=_PERIOD_S)
            await asyncio.sleep(_PERIOD_S)

    async def once(self) -> None:
        """Take what was dropped, ask what is due, tell what is fresh, look at ages."""
        async with self._turn:
            await self._once()

    async def _once(self) -> None:
        if self._top < 0:
            self._top, _ = await asyncio.to_thread(self._store.news, -1)
        issuers = await asyncio.to_thread(self._issuers.read)
        await asyncio.to_thread(self._take_beside, issuers)
        await self._take_dropped(issuers)
        await self.fetch(due_only=True)
        await self._ask_wanted(issuers)
        await self._tell_fresh()
        await self._look_at_ages(issuers)

    @property
    def health(self) -> RevocationHealth:
        """Return what the last look found."""
        return self._health

    # ------------------------------------------------------------ taking

    async def _take_dropped(self, issuers: Sequence[x509.Certificate]) -> None:
        try:
            dropped = await asyncio.to_thread(self._drop.look, issuers, self._clock.now())
        except OSError as exc:
            observe.list_refused(via="folder", reason=f"the folder: {exc.strerror}")
            return
        for one in dropped:
            for taken in one.taken:
                _said(taken, "folder")
            for refused in one.refused:
                observe.list_refused(via="folder", reason=refused.en)

    def _take_beside(self, issuers: Sequence[x509.Certificate]) -> None:
        """Keep the lists that lie in the trust folder as evidence too, once a change of it."""
        for der in self._issuers.beside:
            try:
                taken = self._store.take(der, issuers)
            except RefusedListError as exc:
                observe.list_refused(via="folder", reason=exc.en)
            else:
                if taken.new:
                    _said(taken, "folder")
        self._issuers.beside = ()

    async def fetch(self, *, due_only: bool = False) -> list[FetchReport]:
        """Ask every address, or those that are due; return what became of each."""
        now = self._clock.now()
        policy = self._fetcher.policy
        found = [u for u in self._issuers.pointers if policy.permits(u)]
        urls = dict.fromkeys((*policy.urls, *found))
        due = [u for u in urls if not due_only or self._is_due(u, now)]
        reports = [await self._fetch(url) for url in due]
        if reports:
            await self._tell_fresh()
        return reports

    def wanted(self, report: VerificationReport) -> None:
        """Remember the signers a report leaves undetermined, to ask a responder about them.

        Cheap; called for every report. Nothing of the file is used but serial numbers, and the
        authority must be one of ours.
        """
        if not self._fetcher.policy.ocsp or report.verdict is not Verdict.INDETERMINATE:
            return
        for signature in report.signatures:
            unknown = any(r.status == "unknown" for r in signature.revocation[:1])
            if unknown and signature.signer is not None and signature.chain:
                key = (signature.chain[0].sha256, int(signature.signer.serial, 16))
                if len(self._wanted) < _MAX_WANTED:
                    self._wanted.setdefault(key, self._clock.now())

    async def _ask_wanted(self, issuers: Sequence[x509.Certificate]) -> None:
        """Ask about those that are due; who was answered is forgotten, the others wait longer."""
        known = {c.sha256.hex(): c for c in issuers}
        now = self._clock.now()
        for key in [k for k, due in self._wanted.items() if due <= now][:_AT_ONCE]:
            issuer = known.get(key[0])
            if issuer is None or await self.ask_about(key[1], issuer):
                del self._wanted[key]
            else:
                self._wanted[key] = now + _SOON

    async def ask_about(self, serial: int, issuer: x509.Certificate) -> bool:
        """Ask the configured responders about a certificate.

        Args:
            serial: Of the certificate.
            issuer: Who issued it.

        Returns:
            Whether an answer was verified and kept.
        """
        for url in self._fetcher.policy.ocsp:
            nonce = secrets.token_bytes(_NONCE_BYTES)
            try:
                der = await self._fetcher.ask_ocsp(url, make_query(serial, issuer, nonce))
                self._check_answer(der, serial, issuer, nonce)
                _said(await asyncio.to_thread(self._store.take, der, [issuer]), "fetch")
            except RefusedListError as exc:
                observe.list_refused(via="fetch", reason=exc.en)
            except FetchError as exc:
                wait_s = _SOON.total_seconds()
                observe.list_fetch_failed(host=_host(url), reason=str(exc), retry_in_s=wait_s)
            else:
                return True
        return False

    def _check_answer(
        self, der: bytes, serial: int, issuer: x509.Certificate, nonce: bytes
    ) -> None:
        """Refuse an answer to somebody else's question, or of another day."""
        answer = read_answer(der, issuer, serial)
        if answer.nonce and answer.nonce != nonce:
            raise RefusedListError(
                "trả lời OCSP không khớp câu hỏi (nonce)", "the answer is to another question"
            )
        now = self._clock.now()
        until = answer.next_update or answer.this_update + timedelta(days=1)
        if not answer.this_update - _SKEW <= now <= until + _SKEW:
            raise RefusedListError(
                "trả lời OCSP không còn hoặc chưa có hiệu lực", "the answer is not in force"
            )

    async def _fetch(self, url: str) -> FetchReport:
        """Ask one address; the next time is on disk before anything is dialled."""
        state = self._addresses.setdefault(url, _Address())
        self._postpone(state, self._back_off(state.failures + 1))
        try:
            got = await self._fetcher.get_list(
                url, etag=state.etag, last_modified=state.last_modified
            )
            if got.changed:
                taken = await asyncio.to_thread(self._take, got.body)
        except FetchError as exc:
            return self._failed(url, state, "failed", str(exc), str(exc))
        except RefusedListError as exc:
            observe.list_refused(via="fetch", reason=exc.en)
            return self._failed(url, state, "refused", exc.vi, exc.en)
        state.failures = 0
        if not got.changed:
            self._postpone(state, self._until_next(state.ends))
            return FetchReport(url, "unchanged", "không đổi", "unchanged")
        state.etag, state.last_modified = got.etag, got.last_modified
        state.ends = min((to_text(t.next_update) for t in taken if t.next_update), default="")
        self._postpone(state, self._until_next(state.ends))
        for one in taken:
            if one.new:
                _said(one, "fetch")
        number = ", ".join(one.number or one.sha256[:12] for one in taken)
        return FetchReport(url, "taken", f"đã nhận số {number}", f"taken, number {number}")

    def _take(self, body: bytes) -> list[Taken]:
        issuers = self._issuers.read()
        return [self._store.take(der, issuers) for der in lists_in(body)]

    def _failed(self, url: str, state: _Address, outcome: str, vi: str, en: str) -> FetchReport:
        state.failures += 1
        wait = self._back_off(state.failures)
        self._postpone(state, wait)
        observe.list_fetch_failed(host=_host(url), reason=en, retry_in_s=wait.total_seconds())
        return FetchReport(url, outcome, vi, en)

    # ------------------------------------------------------------ times

    def _is_due(self, url: str, now: datetime) -> bool:
        state = self._addresses.get(url)
        if state is None or not state.next_at:
            return True
        # Later than any wait: written down before the clock was set back.
        longest = self._watching.every * (1 + _JITTER)
        return not now < from_text(state.next_at) <= now + longest

    def _back_off(self, failures: int) -> timedelta:
        return min(_FIRST_WAIT * (1 << min(failures - 1, 12)), self._watching.every)

    def _until_next(self, ends: str) -> timedelta:
        """Return the wait until a newer list is worth asking for; `ends` is this one's end."""
        if not ends:
            return self._watching.every
        left = from_text(ends) - self._clock.now() - self._watching.warn_before
        return min(max(left, _SOON), self._watching.every)

    def _postpone(self, state: _Address, wait: timedelta) -> None:
        spread = 1 + _JITTER * (2 * self._watching.random() - 1)
        state.next_at = to_text(self._clock.now() + wait * spread)
        _save(self._store.folder / _STATE_FILE, self._addresses)

    # ------------------------------------------------------------ telling

    async def _tell_fresh(self) -> None:
        top, issuers = await asyncio.to_thread(self._store.news, self._top)
        self._top = top
        for issuer in issuers:
            if self._on_fresh is not None:
                self._on_fresh(issuer)

    async def _look_at_ages(self, issuers: Sequence[x509.Certificate]) -> None:
        now = self._clock.now()
        states = await asyncio.to_thread(self._store.authorities, issuers, now)
        health = health_of(states)
        if health != self._health:
            await asyncio.to_thread(write_health, self._store.folder, health)
            self._health = health
        for one in states:
            if one.this_update is not None:
                left = now if one.next_update is None else one.next_update
                observe.list_age(
                    issuer=one.issuer,
                    age_s=(now - one.this_update).total_seconds(),
                    expires_in_s=(left - now).total_seconds(),
                )
            self._alarm(one, now)
        troubled = self._health.state in {"expired", "missing"}
        if troubled != (self._alarmed.get("") == "said"):
            observe.standing_warning(what="revocation_lists", active=troubled)
            self._alarmed[""] = "said" if troubled else ""

    def _alarm(self, one: AuthorityState, now: datetime) -> None:
        """Raise one alarm for an authority when its trouble begins."""
        ends = one.next_update
        soon = one.state in {"ok", "ageing"} and ends is not None
        if soon and ends is not None and ends - now <= self._watching.warn_before:
            trouble = "ends"
        else:
            trouble = one.state if one.state == "expired" else ""
        if trouble == self._alarmed.get(one.certificate, ""):
            return
        self._alarmed[one.certificate] = trouble
        if trouble == "ends":
            observe.alarm(what="revocation list ends soon", subject=one.issuer)
        elif trouble == "expired":
            observe.alarm(what="revocation list expired", subject=one.issuer)


def health_of(states: Sequence[AuthorityState]) -> RevocationHealth:
    """Return the fact operations see."""
    return RevocationHealth(
        tuple(ListHealth(s.issuer, s.state, s.this_update, s.next_update) for s in states)
    )


def _said(taken: Taken, via: str) -> None:
    observe.list_taken(
        kind=taken.kind,
        issuer=taken.issuer,
        number=taken.number,
        entries=taken.entries,
        via=via,
    )


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""


def _load(path: Path) -> dict[str, _Address]:
    try:
        rows = json.loads(path.read_text("utf-8"))
        return {str(url): _Address(**row) for url, row in rows.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _save(path: Path, addresses: dict[str, _Address]) -> None:
    part = path.with_suffix(f".{os.getpid()}.part")
    body = {url: asdict(state) for url, state in sorted(addresses.items())}
    part.write_text(json.dumps(body, indent=1), encoding="utf-8")
    part.replace(path)
