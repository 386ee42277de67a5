"""The development PKI over loopback HTTP: RFC 3161 time-stamps, OCSP, CRLs, issuers.

Promises: listens on 127.0.0.1 only; answers from the files and keys of a `DevPki`; a request it
cannot read gets 400 and a sentence. Keeps nothing: a crash loses nothing.

    service = await DevPkiService.open()        # the port is known now
    pki = make_pki(folder, ..., base_url=service.url)
    service.serve(pki)
    ...
    await service.close()
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from aiohttp import web
from asn1crypto import keys as asn1_keys
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from gateway.demo.pki import DevPki, Identity

LOOPBACK: Final = "127.0.0.1"
_MAX_REQUEST: Final = 64 * 1024


def utc_now() -> datetime:
    """Return the instant, aware."""
    return datetime.now(UTC)


def asn1_certificate(identity: Identity) -> asn1_x509.Certificate:
    """Return a certificate in the signer library's form."""
    der = identity.load_certificate().public_bytes(serialization.Encoding.DER)
    return asn1_x509.Certificate.load(der)


def asn1_key(identity: Identity) -> asn1_keys.PrivateKeyInfo:
    """Return a private key in the signer library's form."""
    der = identity.load_key().private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return asn1_keys.PrivateKeyInfo.load(der)


def time_stamper(pki: DevPki, at: datetime | None = None) -> DummyTimeStamper:
    """Return the time-stamp authority in this process.

    Args:
        pki: Whose.
        at: The time it states, aware; the clock's without it.
    """
    store = SimpleCertificateStore()  # type: ignore[no-untyped-call]
    store.register(asn1_certificate(pki.issuing))
    fixed = None if at is None else at.astimezone(UTC).replace(microsecond=0)
    return DummyTimeStamper(
        asn1_certificate(pki.tsa), asn1_key(pki.tsa), certs_to_embed=store, fixed_dt=fixed
    )


class DevPkiService:
    """The loopback HTTP service."""

    def __init__(self, now: Callable[[], datetime] = utc_now) -> None:
        self._now = now
        self._pki: DevPki | None = None
        self._runner: web.AppRunner | None = None
        self.url = ""

    @classmethod
    async def open(cls, *, port: int = 0, now: Callable[[], datetime] = utc_now) -> "DevPkiService":
        """Listen on loopback; answers 503 until `serve`.

        Args:
            port: 0 for any free one.
            now: The clock of time-stamps and OCSP answers.
        """
        service = cls(now)
        app = web.Application(client_max_size=_MAX_REQUEST)
        app.router.add_post("/tsa", service._tsa)
        app.router.add_post("/ocsp", service._ocsp)
        app.router.add_get("/crl/{name}", service._crl)
        app.router.add_get("/cert/{name}", service._cert)
        service._runner = web.AppRunner(app, access_log=None)
        await service._runner.setup()
        site = web.TCPSite(service._runner, LOOPBACK, port)
        await site.start()
        bound = service._runner.addresses[0][1]
        service.url = f"http://{LOOPBACK}:{bound}"
        return service

    def serve(self, pki: DevPki) -> None:
        """Answer for this PKI from now on."""
        self._pki = pki

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def _ready(self) -> DevPki:
        if self._pki is None:
            raise web.HTTPServiceUnavailable(text="the PKI is not made yet\n")
        return self._pki

    async def _tsa(self, request: web.Request) -> web.Response:
        pki = self._ready()
        try:
            query = tsp.TimeStampReq.load(await request.read(), strict=True)
            answer = time_stamper(pki, self._now()).request_tsa_response(query)
        except (ValueError, TypeError, KeyError) as exc:
            raise web.HTTPBadRequest(text="not a time-stamp query (RFC 3161)\n") from exc
        return web.Response(body=answer.dump(), content_type="application/timestamp-reply")

    async def _ocsp(self, request: web.Request) -> web.Response:
        pki = self._ready()
        try:
            query = ocsp.load_der_ocsp_request(await request.read())
        except ValueError as exc:
            raise web.HTTPBadRequest(text="not an OCSP request (RFC 6960)\n") from exc
        answer = ocsp_answer(pki, query.serial_number, now=self._now())
        body = answer.public_bytes(serialization.Encoding.DER)
        return web.Response(body=body, content_type="application/ocsp-response")

    async def _crl(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in {"root.crl", "issuing.crl"}:
            raise web.HTTPNotFound(text="no such list\n")
        data = (self._ready().trust_dir / name).read_bytes()
        return web.Response(body=data, content_type="application/pkix-crl")

    async def _cert(self, request: web.Request) -> web.Response:
        pki = self._ready()
        found = {"root.crt": pki.root, "issuing.crt": pki.issuing}.get(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound(text="no such certificate\n")
        body = found.load_certificate().public_bytes(serialization.Encoding.DER)
        return web.Response(body=body, content_type="application/pkix-cert")


def ocsp_answer(pki: DevPki, serial: int, *, now: datetime) -> ocsp.OCSPResponse:
    """Return the OCSP answer for one serial number, from the published CRL.

    Args:
        pki: Whose.
        serial: Of the certificate asked about.
        now: The answer's time; good for a day.
    """
    issued = [pki.tsa, *pki.people.values(), *pki.agencies.values()]
    subject = next((i for i in issued if i.serial == serial), None)
    if subject is None:
        return ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    crl = x509.load_der_x509_crl((pki.trust_dir / "issuing.crl").read_bytes())
    entry = crl.get_revoked_certificate_by_serial_number(serial)
    issuer = pki.issuing.load_certificate()
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=subject.load_certificate(),
        issuer=issuer,
        algorithm=hashes.SHA1(),  # noqa: S303 — names the certificate (RFC 6960), protects nothing
        cert_status=ocsp.OCSPCertStatus.GOOD if entry is None else ocsp.OCSPCertStatus.REVOKED,
        this_update=now - timedelta(minutes=1),
        next_update=now + timedelta(days=1),
        revocation_time=None if entry is None else entry.revocation_date_utc,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, issuer)
    return builder.sign(pki.issuing.load_key(), hashes.SHA256())
