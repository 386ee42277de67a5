"""What a sealed report carries so that it can be checked years later: chain and revocation data.

Promises: only lists and answers that were verified when they were taken in, in force now, of the
chain of the certificates asked about; complete or said not to be; bounded in size. Nothing is
fetched, nothing kept but what was read.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol, cast

from asn1crypto import x509
from cryptography import x509 as pyca

from gateway.trust.anchors import TrustStore
from gateway.trust.crl import RefusedListError
from gateway.trust.fingerprint import stamp
from gateway.trust.lists import aware, name_key, signed_list
from gateway.trust.ocsp import read_answer
from gateway.trust.revocation import RevocationIndex

_MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Proofs:
    """Chain and revocation data of some certificates.

    Args:
        certificates: Of the chains, anchors included.
        crls: Lists, DER.
        ocsps: OCSP answers, DER.
        lacking: Names of certificates for which there is none in force, or no issuer.
        revoked: One of them is revoked.
    """

    certificates: tuple[x509.Certificate, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsps: tuple[bytes, ...] = ()
    lacking: tuple[str, ...] = ()
    revoked: bool = False

    @property
    def complete(self) -> bool:
        """Nothing is lacking."""
        return not self.lacking


class ClosingIndex(RevocationIndex, Protocol):
    """A revocation index that was opened for one question."""

    def close(self) -> None:
        """Let it go."""


@dataclass(slots=True)
class ProofSource:
    """Finds proofs in trust folder and revocation store.

    Args:
        trust_dir: The trust folder.
        open_index: Opens the revocation store for reading, None when there is none.
        max_bytes: Of lists and answers together; a report is no place for a huge list.
    """

    trust_dir: Path
    open_index: Callable[[], ClosingIndex | None]
    max_bytes: int
    _stamp: object = None
    _store: TrustStore = field(default_factory=TrustStore)

    def find(
        self,
        leaves: Iterable[x509.Certificate],
        others: Sequence[x509.Certificate],
        at: datetime,
    ) -> Proofs:
        """Return the proofs of some certificates as of an instant.

        Args:
            leaves: Whose chains.
            others: Further certificates that may be in them.
            at: Now.
        """
        current = stamp(self.trust_dir)
        if current != self._stamp:
            self._store, self._stamp = TrustStore.load(self.trust_dir), current
        index = self.open_index()
        if index is None:
            return self._found(leaves, others, at, None)
        with closing(index):
            return self._found(leaves, others, at, index)

    def _found(
        self,
        leaves: Iterable[x509.Certificate],
        others: Sequence[x509.Certificate],
        at: datetime,
        index: RevocationIndex | None,
    ) -> Proofs:
        search = _Search(self._store, index, at, others)
        for leaf in leaves:
            search.follow(leaf)
        found = search.proofs()
        if sum(map(len, (*found.crls, *found.ocsps))) > self.max_bytes:
            return Proofs(found.certificates, lacking=("revocation data too large",))
        return found


@dataclass(slots=True)
class _Search:
    store: TrustStore
    index: RevocationIndex | None
    at: datetime
    others: Sequence[x509.Certificate]
    _certificates: dict[bytes, x509.Certificate] = field(default_factory=dict)
    _crls: dict[bytes, None] = field(default_factory=dict)
    _ocsps: dict[bytes, None] = field(default_factory=dict)
    _lacking: list[str] = field(default_factory=list)
    _revoked: bool = False

    def follow(self, leaf: x509.Certificate) -> None:
        """Take in one chain, from the certificate to its anchor."""
        anchors = {anchor.sha256 for anchor in self.store.anchors}
        cert = leaf
        for _ in range(_MAX_DEPTH):
            known = cert.sha256 in self._certificates
            self._certificates[cert.sha256] = cert
            if known or cert.sha256 in anchors:
                return
            issuer = self._issuer(cert)
            if issuer is None or not self._status(cert, issuer):
                self._lacking.append(str(cert.subject.native.get("common_name", "?"))[:80])
            if issuer is None:
                return
            cert = issuer

    def proofs(self) -> Proofs:
        """Return what was found, in a fixed order."""
        return Proofs(
            tuple(cert for _, cert in sorted(self._certificates.items())),
            tuple(sorted(self._crls)),
            tuple(sorted(self._ocsps)),
            tuple(self._lacking),
            self._revoked,
        )

    def _issuer(self, cert: x509.Certificate) -> x509.Certificate | None:
        own = pyca.load_der_x509_certificate(cert.dump())
        for candidate in (*self.store.anchors, *self.store.intermediates, *self.others):
            if candidate.subject != cert.issuer or candidate.sha256 == cert.sha256:
                continue
            try:
                own.verify_directly_issued_by(pyca.load_der_x509_certificate(candidate.dump()))
            except Exception:  # noqa: BLE001,S112 — any doubt: not the issuer
                continue
            return candidate
        return None

    def _status(self, cert: x509.Certificate, issuer: x509.Certificate) -> bool:
        """Take in what says that a certificate is not revoked; tell whether anything does."""
        if self.store.revoked_since(cert) is not None:
            self._revoked = True
        if self.index is not None:
            if self.index.revoked_since(
                name_key(cert.issuer), cert.serial_number, aware(cert.not_valid_after)
            ):
                self._revoked = True
            if self._stored_answer(cert, issuer) or self._stored_list(cert, issuer):
                return True
        return self._folder_list(cert, issuer)

    def _stored_answer(self, cert: x509.Certificate, issuer: x509.Certificate) -> bool:
        index = cast("RevocationIndex", self.index)
        for der in index.answers(name_key(issuer.subject), cert.serial_number):
            try:
                read = read_answer(der, issuer, cert.serial_number)
            except RefusedListError:
                continue
            if self._in_force(read.this_update, read.next_update):
                self._ocsps[der] = None
                return True
        return False

    def _stored_list(self, cert: x509.Certificate, issuer: x509.Certificate) -> bool:
        index = cast("RevocationIndex", self.index)
        for status in index.statuses(issuer, cert.serial_number):
            if status.kind == "crl" and self._in_force(status.this_update, status.next_update):
                der = index.der(status.sha256)
                if der is not None:
                    self._crls[der] = None
                    return True
        return False

    def _folder_list(self, cert: x509.Certificate, issuer: x509.Certificate) -> bool:
        found = []
        for container in self.store.crls:
            lst = container.crl_data
            body = lst["tbs_cert_list"]
            if lst.issuer != cert.issuer:
                continue
            ends = body["next_update"].native
            if self._in_force(body["this_update"].native, ends):
                found.append((body["this_update"].native, lst.dump()))
        for _, der in sorted(found, reverse=True):
            if der in self._crls or signed_list(der, issuer):
                self._crls[der] = None
                return True
        return False

    def _in_force(self, issued: datetime, ends: datetime | None) -> bool:
        return issued <= self.at and ends is not None and ends > self.at
