"""A seal office on fakes: a development PKI, a clock the test moves, a time-stamp authority that may
be away, and alarms written down."""

import asyncio
import hashlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from asn1crypto import tsp

from gateway import observe
from gateway.demo.pki_service import time_stamper
from gateway.reports.model import DocumentFacts, Dossier, Subject
from gateway.seal.identity import load_identity
from gateway.seal.kept import KeptReports
from gateway.seal.office import SealOffice
from gateway.seal.proofs import ProofSource
from gateway.trust.anchors import TrustStore
from gateway.trust.verify import verify_file
from tests.world.made_reports import AT, states
from tests.world.signed_files import NOW, pki

HOUR = timedelta(hours=1)


def dossier(name="valid", **rest):
    facts = DocumentFacts("H37,1", "original", "412/SNV-VP", "V/v họp", "Sở Nội vụ", AT)
    given = {"facts": facts, "gateway": "Trục tỉnh"} | rest
    return Dossier((Subject("cong-van.pdf", states()[name]),), **given)


def verified(pdf, at, trust=None):
    """Return what our own verifier says of a file; also inside a running loop."""

    def verify():
        store = TrustStore.load(trust or pki().trust_dir)
        return verify_file(pdf, sha256=hashlib.sha256(pdf).hexdigest(), at=at, store=store)

    with ThreadPoolExecutor(max_workers=1) as aside:
        return aside.submit(verify).result()


@dataclass
class Bureau:
    """What a test holds on to."""

    folder: object
    trust: object = None
    keeps: bool = True
    authority: bool = True
    checked: bool = True
    source: object = None
    identity: object = None
    max_bytes: int = 1 << 20
    keep: timedelta = timedelta(days=30)
    away: str = ""
    asked: int = 0
    now_at: object = NOW
    alarms: list = field(default_factory=list)
    standing: dict = field(default_factory=dict)
    sealed: list = field(default_factory=list)
    failures: list = field(default_factory=list)

    def __post_init__(self):
        self.source = self.source or pki()
        self.trust = self.trust or self.source.trust_dir
        agency = self.source.agency()
        self.identity = self.identity or load_identity(agency.key, agency.certificate)
        self.office = self.open()

    def open(self):
        """Return an office over the same folder, as after a restart."""

        async def check(pdf, at):
            return await asyncio.to_thread(verified, pdf, at, self.trust)

        return SealOffice(
            self.identity,
            self,
            ProofSource(self.trust, lambda: None, self.max_bytes).find,
            self.ask if self.authority else None,
            check=check if self.checked else None,
            kept=KeptReports(self.folder) if self.keeps else None,
            keep=self.keep,
        )

    # The clock.
    def now(self):
        return self.now_at

    def offset(self):
        return timedelta()

    def move(self, by):
        self.now_at += by

    # The authority.
    async def ask(self, query):
        self.asked += 1
        if self.away:
            raise OSError(self.away)
        asked = tsp.TimeStampReq.load(query)
        return time_stamper(self.source, self.now_at).request_tsa_response(asked).dump()


@contextmanager
def written_down(bureau, monkeypatch):
    """Write alarms of an office down instead of logging them."""

    def alarm(*, what, failure=None, **_):
        bureau.alarms.append(what)
        bureau.failures.append(failure)

    def standing(*, what, active):
        bureau.standing[what] = active

    def sealed(*, level):
        bureau.sealed.append(level)

    monkeypatch.setattr(observe, "alarm", alarm)
    monkeypatch.setattr(observe, "standing_warning", standing)
    monkeypatch.setattr(observe, "report_sealed", sealed)
    yield bureau
