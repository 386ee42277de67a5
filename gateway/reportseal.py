"""Composition of the report seal: settings become an office that seals reports, or None.

The office reads the trust folder and the revocation store beside a running server, asks the one
time-stamp authority of the settings, and keeps sealed reports under the data folder.
"""

import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.config import Settings
from gateway.ports import Clock, Ids, Ledger, Verifier
from gateway.seal.heads import HeadStamps
from gateway.seal.identity import load_identity
from gateway.seal.kept import KeptReports
from gateway.seal.office import Check, SealOffice
from gateway.seal.proofs import ProofSource
from gateway.seal.timestamps import Ask
from gateway.trust.report import VerificationReport
from gateway.verifier.fetch import Fetcher, FetchError, FetchPolicy
from gateway.verifier.revocation import open_index

FOLDER: Final = "reports"
_MAX_ANSWER: Final = 256 * 1024
_PORTS: Final = {"http": 80, "https": 443}


def seal_office(
    settings: Settings, clock: Clock, *, check: Check | None = None, keeps: bool = True
) -> SealOffice | None:
    """Return the office of a gateway, None when no seal is configured.

    Args:
        settings: Checked settings.
        clock: Time.
        check: Verifies what was sealed.
        keeps: Keep sealed reports, and stamp them later.

    Raises:
        ConfigurationError: Key or certificate cannot be used.
    """
    seal = settings.reports.seal
    if seal.key_file is None:
        return None
    identity = load_identity(seal.key_file, seal.certificate_file, seal.password_file)
    verify = settings.verify
    proofs = ProofSource(
        verify.trust_dir, lambda: open_index(verify.revocation.dir), int(seal.max_proof_bytes)
    )
    return SealOffice(
        identity,
        clock,
        proofs.find,
        _authority(settings),
        check=check,
        kept=KeptReports(settings.gateway.data_dir / FOLDER) if keeps else None,
        keep=seal.keep,
    )


def head_stamps(
    settings: Settings, ledger: Ledger, clock: Clock, ids: Ids, stands: Callable[[], bool]
) -> HeadStamps | None:
    """Return what has tree heads of the receipt log stamped, None without an authority (AUD-06)."""
    ask = _authority(settings)
    return None if ask is None else HeadStamps(ledger, clock, ids, ask, stands)


def checker(verifier: Verifier, lend: Callable[[], AbstractContextManager[Path]]) -> Check:
    """Return what verifies a sealed report as it would a stranger's file.

    Args:
        verifier: The verifier processes.
        lend: Lends a file that goes with its block.
    """

    async def check(pdf: bytes, at: datetime) -> VerificationReport:
        with lend() as path:
            path.write_bytes(pdf)
            digest = hashlib.sha256(pdf).hexdigest()
            return await verifier.verify(path, sha256=digest, size_bytes=len(pdf), at=at)

    return check


def _authority(settings: Settings) -> Ask | None:
    """Return how the time-stamp authority is asked, None without one."""
    seal = settings.reports.seal
    url = None if seal.tsa_url is None else str(seal.tsa_url)
    if url is None:
        return None
    # The operator named this very address, so it may be one inside the house.
    parts = urlsplit(url)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    policy = FetchPolicy(
        urls=(url,),
        private=(place,),
        proxy=seal.tsa_proxy,
        timeout=seal.tsa_timeout,
        max_bytes=_MAX_ANSWER,
    )
    fetcher = Fetcher(policy)

    def ask(query: bytes) -> Awaitable[bytes]:
        return _asked(fetcher, url, query)

    return ask


async def _asked(fetcher: Fetcher, url: str, query: bytes) -> bytes:
    try:
        return await fetcher.ask_timestamp(url, query)
    except FetchError as exc:
        raise OSError(str(exc)) from exc
