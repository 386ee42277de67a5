"""Time-stamps (RFC 3161) for the seal: query and answer; how bytes travel is not known here.

Promises: an answer counts only when it is granted, is about the digest asked, repeats the nonce and
is signed by the certificate it brings; everything else is a `StampError` with a stable reason. Whom
that certificate belongs to is for the verifier to say. Keeps nothing.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asn1crypto import cms, tsp, x509
from pyhanko.sign.timestamps import TimeStamper
from pyhanko.sign.timestamps.common_utils import extract_ts_certs
from pyhanko.sign.validation.generic_cms import validate_sig_integrity
from pyhanko_certvalidator.registry import SimpleCertificateStore

Ask = Callable[[bytes], Awaitable[bytes]]
"""Carries a DER query to the authority and brings the DER answer; raises OSError."""

MAX_CERTIFICATES: Final = 20


class StampError(Exception):
    """No usable time-stamp came: a stable reason, safe to log."""


class SealStamper(TimeStamper):
    """Asks one authority; `leaves` and `certificates` are those of the last token.

    Args:
        ask: Carries the query.
    """

    def __init__(self, ask: Ask) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._ask = ask
        self.leaves: tuple[x509.Certificate, ...] = ()
        self.certificates: tuple[x509.Certificate, ...] = ()

    async def async_request_tsa_response(self, req: tsp.TimeStampReq) -> tsp.TimeStampResp:
        """Return the authority's answer to a query.

        Raises:
            StampError: None came, or it is no answer to this query.
        """
        try:
            body = await self._ask(req.dump())
        except OSError as exc:
            raise StampError(str(exc)) from exc
        try:
            answer = tsp.TimeStampResp.load(body, strict=True)
            granted = answer["status"]["status"].native in {"granted", "granted_with_mods"}
            if not granted:
                raise StampError("refused by the authority")
            info = answer["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
            imprint = info["message_imprint"].dump() == req["message_imprint"].dump()
            if not imprint or info["nonce"].native != req["nonce"].native:
                raise StampError("the answer is about something else")
        except (ValueError, TypeError, KeyError, AttributeError) as exc:
            raise StampError("no time-stamp answer") from exc
        answer["status"]["status"] = "granted"
        return answer

    async def async_timestamp(self, message_digest: bytes, md_algorithm: str) -> cms.ContentInfo:
        """Return a token over a digest, and remember its certificates.

        Raises:
            StampError: None came.
        """
        token = await super().async_timestamp(message_digest, md_algorithm)
        try:
            self.leaves = tuple(extract_ts_certs(token, self.cert_registry))
            found = [c.chosen for c in token["content"]["certificates"]]
        except (ValueError, TypeError, KeyError, AssertionError) as exc:
            raise StampError("the token's certificates cannot be read") from exc
        if not self.leaves or len(found) > MAX_CERTIFICATES:
            raise StampError("the token's certificates are not usable")
        if not _is_signed(token, self.leaves[0]):
            raise StampError("the token is not signed by its certificate")
        self.certificates = tuple(c for c in found if isinstance(c, x509.Certificate))
        return token


@dataclass(frozen=True, slots=True)
class Stamped:
    """What a token says: when, and who says so."""

    at: datetime
    authority: str


def stamped(token: bytes, data: bytes) -> Stamped:
    """Return what a DER token says about `data`.

    Whether the authority is to be trusted is not said: that is for who checks, with its certificate
    in hand (`openssl ts -verify -token_in`).

    Raises:
        StampError: It is no token, is about something else, or is not signed by the certificate it
            brings.
    """
    try:
        read = cms.ContentInfo.load(token, strict=True)
        info = read["content"]["encap_content_info"]["content"].parsed
        imprint = info["message_imprint"]
        digest = hashlib.new(imprint["hash_algorithm"]["algorithm"].native, data).digest()
        if imprint["hashed_message"].native != digest:
            raise StampError("the token is about something else")
        store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
        leaf = next(iter(extract_ts_certs(read, store)), None)
        at = info["gen_time"].native
        if leaf is None or not _is_signed(read, leaf):
            raise StampError("the token is not signed by its certificate")
        return Stamped(at, leaf.subject.human_friendly)
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError, IndexError) as exc:
        raise StampError("no time-stamp token") from exc


def _is_signed(token: cms.ContentInfo, leaf: x509.Certificate) -> bool:
    """Tell whether a token's one signature is intact and by this certificate's key."""
    try:
        signed = token["content"]
        (signer,) = signed["signer_infos"]
        name = signer["digest_algorithm"]["algorithm"].native
        digest = hashlib.new(name, bytes(signed["encap_content_info"]["content"])).digest()
        return all(validate_sig_integrity(signer, leaf, "tst_info", digest))
    except Exception:  # noqa: BLE001 — whatever a broken token does, it proves nothing
        return False
