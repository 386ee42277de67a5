"""Operations for the pages: the stores of the command line, lent to a running server.

Promises: a page does what a command does, with the same guards and the same audit; what waits runs
in a thread, a few at a time, with a session of its own that is closed afterwards; a new secret is
given back once and stored only hashed or sealed. A crash leaves whole calls.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final, Protocol, TypeVar

from gateway import secrets
from gateway.domain.moments import iso
from gateway.keys.secretkey import SecretKeys
from gateway.ports import Blobs, Clock, Ids, NewCredential
from gateway.ports.agencies import AgencyStore
from gateway.ports.operations import CertificateRow, NewKeys, OperationsStore
from gateway.ports.registration import RequestStore
from gateway.receipts.bundle import write_bundle
from gateway.receipts.sign import ReceiptKey
from gateway.store.agencies import LedgerAgencies
from gateway.store.operations import LedgerOperations
from gateway.store.places import Place
from gateway.store.receipts import LedgerReceipts, sign_head_now
from gateway.store.registrations import LedgerRequests

Answer = TypeVar("Answer")

_AT_ONCE: Final = 2
"""Each holds a session of the ledger: operators wait for each other, never documents for them."""

Signing = Callable[[], tuple[ReceiptKey, Sequence[str]]]
Forms = Callable[[str, str, str], Sequence[tuple[str, str]]]


class _Closing(Protocol):
    def close(self) -> None: ...


Opened = TypeVar("Opened", bound=_Closing)


class LedgerOperating:
    """Operating port over the ledger.

    Args:
        place: Where the ledger is.
        blobs: Where purged bytes are deleted.
        clock: Stamps what is done.
        ids: Names receipt entries.
        keys: Protect shared secrets.
        name: The gateway's name, written into bundles.
        signing: The receipt key that signs now, and the PEM of earlier ones.
        forms: How clients of each dialect name their keys: (system, API key, secret) to rows.
        trust: The folder of certificates.
    """

    def __init__(
        self,
        place: Place,
        blobs: Blobs,
        clock: Clock,
        ids: Ids,
        *,
        keys: SecretKeys,
        name: str,
        signing: Signing,
        forms: Forms,
        trust: Path,
    ) -> None:
        self._parts = (place, blobs, clock, ids)
        self._keys = keys
        self._name = name
        self._signing = signing
        self._forms = forms
        self._trust = trust
        self._room = asyncio.Semaphore(_AT_ONCE)

    async def do(self, work: Callable[[OperationsStore], Answer]) -> Answer:
        """Return what `work` does with the ledger."""
        return await self._lend(lambda: LedgerOperations(*self._parts), work)

    async def decide(self, work: Callable[[RequestStore], Answer]) -> Answer:
        """Return what `work` does with what systems ask."""
        return await self._lend(lambda: LedgerRequests(*self._parts), work)

    async def catalogue(self, work: Callable[[AgencyStore], Answer]) -> Answer:
        """Return what `work` does with the whole catalogue."""
        place, _, clock, ids = self._parts
        return await self._lend(lambda: LedgerAgencies(place, clock, ids), work)

    async def issue_keys(
        self,
        system_id: str,
        speaks_for: Sequence[str] | None,
        *,
        overlap_s: float,
        by: str,
        reason: str,
    ) -> NewKeys:
        """Register a system, or give a known one new keys."""
        api, shared_id = secrets.new_api_key(), secrets.new_credential_id()
        secret = secrets.new_shared_secret()
        sealed = secrets.seal_secret(
            self._keys()[0], secret.encode(), system_id=system_id, credential_id=shared_id
        )
        stored = [
            NewCredential(api.key_id, "api-key", sha256=api.sha256),
            NewCredential(shared_id, "shared-secret", sealed=sealed),
        ]

        def work(store: OperationsStore) -> None:
            if speaks_for is None:
                wait = timedelta(seconds=overlap_s)
                store.rotate(system_id, stored, overlap=wait, by=by, reason=reason)
            else:
                store.add_system(system_id, speaks_for, stored, by=by, reason=reason)

        await self.do(work)
        return NewKeys(system_id, tuple(self._forms(system_id, api.text, secret)))

    async def certificates(self) -> Sequence[CertificateRow]:
        """Return the certificates of the trust folder, those that end first in front."""
        return await asyncio.to_thread(_certificates, self._trust)

    async def bundle(self, out: BinaryIO, *, document: str | None) -> None:
        """Write a proof bundle up to a head that is signed now."""
        place, _, clock, _ = self._parts

        def work(source: LedgerReceipts) -> None:
            at = iso(clock.now())
            write_bundle(out, source, at=at, document=document)

        def opened() -> LedgerReceipts:
            key, earlier = self._signing()
            # What was accepted a second ago must be in it.
            sign_head_now(place, key, clock.now())
            return LedgerReceipts(place, self._name, key, earlier_keys=earlier)

        await self._lend(opened, work)

    async def _lend(self, opened: Callable[[], Opened], work: Callable[[Opened], Answer]) -> Answer:
        def run() -> Answer:
            store = opened()
            try:
                return work(store)
            finally:
                store.close()

        async with self._room:
            # Whoever goes away does not end what was begun: it is done, or it is not.
            return await asyncio.shield(asyncio.to_thread(run))


def _certificates(folder: Path) -> Sequence[CertificateRow]:
    # Reading certificates loads a library: only who asks waits for it.
    from gateway.trust.anchors import TrustStore
    from gateway.trust.registrar import lifetime
    from gateway.trust.trustfolder import display_name

    store = TrustStore.load(folder)
    kinds = [("anchor", c) for c in store.anchors]
    kinds += [("intermediate", c) for c in store.intermediates]
    kinds += [("untrusted", c) for c in store.unlisted]
    rows = [
        CertificateRow(kind, display_name(cert), cert.sha256.hex(), *lifetime(cert))
        for kind, cert in kinds
    ]
    return sorted(rows, key=lambda row: row.ends)
