"""The certificate and key of the listeners, replaced while they listen.

One context serves for the life of the process, and a new pair is loaded into it: connections under
way keep what they agreed on, sessions are resumed as before (their ticket keys belong to the
context), new ones get the new certificate. A context keeps one pair for each kind of key, and goes
on showing an old RSA certificate to whoever prefers RSA beside a new one with P-256: a pair of
another kind therefore gets a context of its own, to which every new handshake is handed. Promises:
a pair is tried in a context of its own first, on the very bytes that are loaded then, so that a
half-written or foreign file never reaches the listeners; one that is not valid now does not replace
one. Reads only.
"""

import contextlib
import os
import ssl
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509

from gateway import observe
from gateway.errors import ConfigurationError
from gateway.keys.watch import FilePatience, Trouble

_MAX_FILE: Final = 1 << 20


class ServerTls:
    """The TLS side of the listeners.

    Args:
        certificate: PEM, the server's own first, then its chain.
        key: PEM, without password.
        now: The time; a certificate that is expired, or not valid yet, does not replace one.

    Raises:
        ConfigurationError: The two cannot be used.
    """

    def __init__(
        self,
        certificate: Path,
        key: Path,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._paths = (certificate, key)
        self._now = now
        self._trouble = Trouble("tls certificate")
        # FMT-08, SEC-04: TLS 1.2 at least.
        self.context = self._serving = _empty()
        self._kind = ""
        self._patience = FilePatience(self._paths)
        self._bytes = self._read()
        self.expires_at = self._load(self._bytes)

    async def look(self, *, now: bool) -> None:
        """Take over a new pair; a bad one leaves the old in place, and is said."""
        if not now and not self._patience.due():
            return
        try:
            found = self._read()
            if found != self._bytes:
                self._refuse_out_of_term(found[0])
                self.expires_at = self._load(found)
                self._bytes = found
                observe.key_taken(what="tls certificate", name=self.expires_at.isoformat())
        except ConfigurationError as exc:
            if self._patience.settled(good=False, now=now):
                self._trouble.begin(subject="http.tls_cert", failure=exc)
            return
        self._patience.settled(good=True, now=now)
        self._trouble.end()

    def _refuse_out_of_term(self, certificate: bytes) -> None:
        if expires_at(certificate) <= self._now():
            raise ConfigurationError("http.tls_cert: the new certificate has expired")
        begins = _certificate(certificate).not_valid_before_utc
        if begins > self._now():
            raise ConfigurationError(
                f"http.tls_cert: the new certificate is valid from {begins.isoformat()} on; it is "
                "taken then"
            )

    def _read(self) -> tuple[bytes, bytes]:
        certificate, key = self._paths
        try:
            if stat.S_IMODE(key.stat().st_mode) & stat.S_IROTH:
                raise ConfigurationError(
                    f"http.tls_key: {key} is readable by everyone: chmod 600; whoever may have "
                    "read it has the key"
                )
            return _small(certificate), _small(key)
        except OSError as exc:
            raise ConfigurationError(f"http.tls_cert, http.tls_key: {exc.strerror}") from exc

    def _load(self, pair: tuple[bytes, bytes]) -> datetime:
        """Load a pair that works; return until when its certificate is valid."""
        try:
            until = expires_at(pair[0])
            kind = type(_certificate(pair[0]).public_key()).__name__
            with _as_file(pair[0]) as certificate, _as_file(pair[1]) as key:
                fresh = _empty()
                fresh.load_cert_chain(certificate, key, password=_no_password)
                if kind == self._kind or not self._kind:
                    self._serving.load_cert_chain(certificate, key, password=_no_password)
                else:
                    self._serving = fresh
                    self.context.sni_callback = self._hand_over
            self._kind = kind
        except OSError as exc:  # ssl.SSLError is one
            raise ConfigurationError(f"http.tls_cert, http.tls_key: {exc}") from exc
        return until

    def _hand_over(self, tls: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        """Let a handshake go on with the pair in use; asked for each, with a name or without."""
        tls.context = self._serving


def expires_at(pem: bytes) -> datetime:
    """Return until when the first certificate of a PEM file is valid.

    Raises:
        ConfigurationError: There is none.
    """
    return _certificate(pem).not_valid_after_utc


def _certificate(pem: bytes) -> x509.Certificate:
    try:
        return x509.load_pem_x509_certificate(pem)
    except ValueError as exc:
        raise ConfigurationError("http.tls_cert: no certificate in PEM") from exc


def _empty() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _no_password() -> str:
    """Answer for the terminal nobody sits at: a key with a password is refused, not asked about."""
    return ""


def _small(path: Path) -> bytes:
    with path.open("rb") as source:
        return source.read(_MAX_FILE)


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """Lend a name for bytes in memory: the library loads from files only."""
    descriptor = os.memfd_create("vanlien-tls", os.MFD_CLOEXEC)
    try:
        with os.fdopen(descriptor, "wb", closefd=False) as out:
            out.write(data)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
