"""Checks between settings: listeners and TLS, peers and agencies, keys that must fit. Reads only.

Each check is one function that yields faults; all of them run, also on what is left of settings
with faulty keys, so that an operator sees everything at once.
"""

import ipaddress
import ssl
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from gateway.config.broker import AgenciesAmqp, BrokerSection
from gateway.config.dialectal import dialect_faults, tls_faults, training_faults
from gateway.config.partners import Agency
from gateway.config.sections import Settings
from gateway.errors import ConfigurationError, Fault


def cross_faults(settings: Settings, raw: Mapping[str, Any]) -> list[Fault]:
    """Return the faults between keys.

    Args:
        settings: The settings, or what is left of them.
        raw: The tables as they were written, for names that faulty entries still declare.
    """
    faults: list[Fault] = []
    for checker in (
        _roles,
        _listeners,
        _plain_listeners,
        _facade_paths,
        _ledger,
        _clock,
        _formats,
        _seals,
        _scan,
        _mail,
    ):
        faults += checker(settings)
    faults += _blobs(settings, raw)
    faults += _broker(settings, raw)
    faults += _peers(settings, raw)
    faults += _agencies(settings, raw)
    faults += _spools(settings)
    if settings.console.training:
        faults += training_faults(settings.peers, settings.console.training_peers)
    faults += _keys(settings)
    faults += _single_sign_on(settings)
    return faults


def is_loopback(host: str) -> bool:
    """Tell whether a listener on `host` is reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _listeners(settings: Settings) -> Iterator[Fault]:
    http = settings.http
    if (http.tls_cert is None) != (http.tls_key is None):
        lacking = "http.tls_cert" if http.tls_cert is None else "http.tls_key"
        yield Fault(
            lacking,
            "tls_cert và tls_key phải đi cùng nhau",
            "tls_cert and tls_key must be given together",
        )
    elif http.tls_cert is None and not is_loopback(http.host):
        yield Fault(
            "http.host",
            f"lắng nghe ngoài máy này ({http.host}) phải có TLS: đặt http.tls_cert và http.tls_key",
            f"a listener off this machine ({http.host}) needs TLS: set http.tls_cert and tls_key",
        )
    elif http.tls_cert is not None and http.tls_key is not None and http.tls_cert.is_file():
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(http.tls_cert, http.tls_key)
        except OSError as exc:  # ssl.SSLError is one
            yield Fault(
                "http.tls_cert",
                f"chứng thư và khóa TLS không dùng được: {exc}",
                f"the TLS certificate and key cannot be used: {exc}",
            )


def _roles(settings: Settings) -> Iterator[Fault]:
    roles = settings.node.roles
    for name in sorted({name for name in roles if roles.count(name) > 1}):
        yield Fault("node.roles", f'"{name}" ghi nhiều lần', f'"{name}" stands there twice')
    if "all" in roles and len(roles) > 1:
        yield Fault(
            "node.roles",
            '"all" phải đứng một mình: nó đã gồm mọi việc',
            '"all" stands alone: it is everything already',
        )
    elif "all" not in roles and settings.ledger.is_file:
        yield Fault(
            "node.roles",
            'sổ cái SQLite chỉ có một tiến trình: dùng "all", hoặc đặt ledger.url là PostgreSQL',
            'an SQLite ledger is served by one process: use "all", or a PostgreSQL ledger.url',
        )
    elif "all" not in roles and settings.broker.url is None:
        yield Fault(
            "node.roles",
            'các việc tách rời cần hàng đợi chung: đặt broker.url, hoặc dùng "all"',
            'roles apart need lanes that are shared: set broker.url, or use "all"',
        )


def _plain_listeners(settings: Settings) -> Iterator[Fault]:
    taken = {(settings.http.host, settings.http.port): "http.port"}
    for index, facade in enumerate(settings.http.plain_facades):
        where = f"http.plain_facade[{index}]"
        for at, network in enumerate(facade.networks):
            if network.prefixlen == 0:
                yield Fault(
                    f"{where}.networks[{at}]",
                    "cổng không mã hóa không được mở cho mọi địa chỉ; ghi rõ các dải trong VPN",
                    "a plain listener is never open to all: name the ranges inside the VPN",
                )
        other = taken.get((facade.host, facade.port))
        if other and facade.port:
            yield Fault(f"{where}.port", f"trùng với {other}", f"is the same as {other}")
        taken[facade.host, facade.port] = f"{where}.port"


_TAKEN: Final = frozenset(
    {"api", "v1", "token", "oauth2", "XrdAdapter", "EdocService", "services"}
    | {"live", "ready", "metrics", "openapi.json", "asyncapi.json", "verify", "console", "static"}
)
"""First parts of the paths that other dialects, the API and the pages have."""


def _facade_paths(settings: Settings) -> Iterator[Fault]:
    first = settings.http.wso2_base.split("/")[1]
    if first in _TAKEN:
        yield Fault(
            "http.wso2_base",
            f'"/{first}" là đường dẫn của phần khác trong cổng này',
            f'"/{first}" belongs to another part of this gateway',
        )


def _ledger(settings: Settings) -> Iterator[Fault]:
    ledger = settings.ledger
    if ledger.is_file:
        for name, value in (("password_file", ledger.password_file), ("ca_file", ledger.ca_file)):
            if value is not None:
                yield Fault(
                    f"ledger.{name}",
                    "chỉ dùng với sổ cái postgresql://",
                    "only with a ledger on postgresql://",
                )
    elif ledger.ca_file is None and not is_loopback(urlsplit(ledger.url).hostname or ""):
        # SEC-04: documents never cross a network in the clear.
        yield Fault(
            "ledger.ca_file",
            "máy chủ PostgreSQL ở máy khác phải có TLS: đặt ca_file",
            "a PostgreSQL server on another machine needs TLS: set ca_file",
        )


def _broker(settings: Settings, raw: Mapping[str, Any]) -> Iterator[Fault]:
    for name, broker in _rabbits(settings):
        yield from _rabbit(name, broker, raw.get(name))


def _rabbits(settings: Settings) -> tuple[tuple[str, BrokerSection | AgenciesAmqp], ...]:
    return ("broker", settings.broker), ("agencies_amqp", settings.agencies_amqp)


def _rabbit(section: str, broker: BrokerSection | AgenciesAmqp, written: Any) -> Iterator[Fault]:
    if broker.url is None:
        if isinstance(written, Mapping) and "url" in written:
            return  # it is faulty itself, and told
        for name, value in (("password_file", broker.password_file), ("ca_file", broker.ca_file)):
            if value is not None:
                yield Fault(
                    f"{section}.{name}",
                    f"chỉ dùng cùng {section}.url",
                    f"goes with {section}.url only",
                )
        return
    where = urlsplit(broker.url)
    if where.scheme == "amqp" and not is_loopback(where.hostname or ""):
        # SEC-04: who listens would learn the password, and could give ids of his own.
        yield Fault(
            f"{section}.url",
            "RabbitMQ ở máy khác phải có TLS: dùng amqps://",
            "RabbitMQ on another machine needs TLS: use amqps://",
        )
    if broker.password_file is None:
        yield Fault(
            f"{section}.password_file",
            f"phải có khi dùng {section}.url",
            f"is required with {section}.url",
        )


def _clock(settings: Settings) -> Iterator[Fault]:
    if settings.clock.hold_over < settings.clock.max_offset:
        yield Fault(
            "clock.hold_over",
            "không được nhỏ hơn clock.max_offset",
            "must not be less than clock.max_offset",
        )


def _scan(settings: Settings) -> Iterator[Fault]:
    scan = settings.scan
    host = scan.clamd.removeprefix("tcp:").rpartition(":")[0]
    if scan.clamd.startswith("tcp:") and not is_loopback(host):
        # SEC-04: clamd has no TLS, and every document would cross the network in the clear.
        yield Fault(
            "scan.clamd",
            "clamd không mã hóa: chỉ dùng trên máy này, hoặc qua đường hầm lắng nghe ở 127.0.0.1",
            "clamd has no encryption: only on this machine, or through a tunnel on 127.0.0.1",
        )


def _mail(settings: Settings) -> Iterator[Fault]:
    mail, watch = settings.mail, settings.watch
    if mail.host and mail.security == "none" and not is_loopback(mail.host):
        yield Fault(
            "mail.security",
            "chỉ máy chủ thư trên chính máy này mới được dùng không mã hóa",
            "only a mail server on this machine may be used without encryption",
        )
    if mail.user and mail.password_file is None:
        yield Fault(
            "mail.password_file",
            "tài khoản thư cần có tệp mật khẩu",
            "a mail user needs a password file",
        )
    if watch.webhook_url is None:
        return
    if not watch.webhook_url.startswith("https://") and not settings.webhooks.networks:
        yield Fault("watch.webhook_url", "phải bắt đầu bằng https://", "must begin with https://")
    if watch.webhook_secret_file is None:
        yield Fault(
            "watch.webhook_secret_file",
            "webhook cần khóa ký thông điệp",
            "a webhook needs a secret that signs its messages",
        )


def _formats(settings: Settings) -> Iterator[Fault]:
    for extension in sorted(set(settings.formats.allow) & set(settings.formats.deny)):
        yield Fault(
            "formats.allow",
            f'"{extension}" vừa được phép vừa bị từ chối',
            f'"{extension}" is both allowed and denied',
        )


def _blobs(settings: Settings, raw: Mapping[str, Any]) -> Iterator[Fault]:
    blobs = settings.blobs
    away = {
        "endpoint": blobs.endpoint is not None,
        "access_key_file": blobs.access_key_file is not None,
        "secret_key_file": blobs.secret_key_file is not None,
        "ca_file": blobs.ca_file is not None,
        "allow_http": blobs.allow_http,
    }
    written = raw.get("blobs")
    if blobs.url is None:
        if isinstance(written, Mapping) and "url" in written:
            return  # it is faulty itself, and told
        for name in (name for name, given in away.items() if given):
            yield Fault(f"blobs.{name}", "chỉ dùng cùng blobs.url", "goes with blobs.url only")
        return
    if blobs.shared:
        yield Fault(
            "blobs.shared",
            "chỉ dùng cho thư mục, không cùng blobs.url",
            "is for a folder, not together with blobs.url",
        )
    for name in ("access_key_file", "secret_key_file"):
        if not away[name]:
            yield Fault(f"blobs.{name}", "phải có khi dùng blobs.url", "is required with blobs.url")
    endpoint = blobs.endpoint or ""
    # SEC-04: documents never cross a network in the clear.
    near = blobs.allow_http and is_loopback(urlsplit(endpoint).hostname or "")
    if endpoint.startswith("http://") and not near:
        yield Fault(
            "blobs.endpoint",
            "phải là https://; http:// chỉ trên chính máy này, với allow_http = true",
            "must be https://; http:// only on this very machine, with allow_http = true",
        )


def _seals(settings: Settings) -> Iterator[Fault]:
    policy = settings.policy
    for name, least, most in (
        ("seal_mm", policy.seal_mm_least, policy.seal_mm_most),
        ("overlap", policy.overlap_least, policy.overlap_most),
    ):
        if least > most:
            yield Fault(
                f"policy.{name}_least",
                f"lớn hơn {name}_most ({least:g} > {most:g})",
                f"above {name}_most ({least:g} > {most:g})",
            )


def _peers(settings: Settings, raw: Mapping[str, Any]) -> Iterator[Fault]:
    ids = [name for name in _declared(raw, "peer", "id") if name]
    for name in sorted({name for name in ids if ids.count(name) > 1}):
        yield Fault("peer", f'id "{name}" dùng nhiều lần', f'the id "{name}" is used twice')
    if "local" in ids:
        yield Fault("peer", 'id không được là "local"', 'no peer may be called "local"')
    roads: dict[str, str] = {}
    for peer in settings.peers:
        yield from dialect_faults(peer)
        yield from tls_faults(peer)
        if peer.reaches_all and len(peer.codes_behind) > 1:
            yield Fault(
                "peer.codes_behind",
                f'"{peer.id}": "*" phải đứng một mình',
                f'"{peer.id}": "*" stands alone',
            )
        for code in peer.codes_behind:
            other = roads.setdefault(code, peer.id)
            if other != peer.id:
                yield Fault(
                    "peer.codes_behind",
                    f'"{code}" có ở cả "{other}" và "{peer.id}"',
                    f'"{code}" is behind both "{other}" and "{peer.id}"',
                )


def _agencies(settings: Settings, raw: Mapping[str, Any]) -> Iterator[Fault]:
    peers = set(_declared(raw, "peer", "id"))
    seen: dict[str, int] = {}
    for index, agency in enumerate(settings.agencies):
        where = f"agency[{index}]"
        for code in filter(None, (agency.code, agency.legacy_code)):
            first = seen.setdefault(code, index)
            if first != index:
                yield Fault(
                    f"{where}.code",
                    f"{code} đã khai báo ở agency[{first}]",
                    f"{code} is already given in agency[{first}]",
                )
        yield from _agency(agency, where, peers)


def _agency(agency: Agency, where: str, peers: set[str]) -> Iterator[Fault]:
    if agency.connected not in {"", "local"} | peers:
        yield Fault(
            f"{where}.connected",
            f'không có [[peer]] nào tên "{agency.connected}"',
            f'there is no [[peer]] called "{agency.connected}"',
        )
    if agency.console and agency.connected != "local":
        yield Fault(
            f"{where}.console",
            'chỉ cơ quan có connected = "local" mới làm việc trên trang này',
            'only an agency with connected = "local" works in the console',
        )
    # ID-05 (QĐ20): a closed code is not given away; who took over is told.
    if agency.successor and agency.status != "closed":
        yield Fault(
            f"{where}.successor",
            'chỉ dùng khi status = "closed"',
            'only with status = "closed"',
        )
    if agency.successor == agency.code:
        yield Fault(f"{where}.successor", "không được là chính nó", "must be another agency")


def _spools(settings: Settings) -> Iterator[Fault]:
    seen: dict[str, str] = {}
    for index, spool in enumerate(settings.spools):
        for key, value in (("folder", str(spool.folder)), ("system", spool.system)):
            where = f"spool[{index}].{key}"
            first = seen.setdefault(f"{key} {value}", where)
            if first != where:
                yield Fault(where, f"trùng với {first}", f"is the same as {first}")


def _declared(raw: Mapping[str, Any], table: str, key: str) -> list[str]:
    rows = raw.get(table)
    if not isinstance(rows, list):
        return []
    return [str(row.get(key, "")) for row in rows if isinstance(row, dict)]


# ---------------------------------------------------------------- keys


def _keys(settings: Settings) -> Iterator[Fault]:
    from gateway.secrets import read_key_file, read_secret_file

    # Only what is there: a missing file is told by its own key.
    if settings.secrets.key_file.is_file():
        try:
            read_key_file(settings.secrets.key_file)
        except ConfigurationError as exc:
            yield Fault(
                "secrets.key_file",
                f"phải là khóa 32 byte dạng base64: {exc.public}",
                f"must be 32 bytes in base64: {exc.public}",
            )
    for index, peer in enumerate(settings.peers):
        for name in ("secret_file", "password_file", "unit_secret_file"):
            path = getattr(peer, name)
            if path is None or not path.is_file():
                continue
            try:
                read_secret_file(path)
            except ConfigurationError as exc:
                yield Fault(
                    f"peer[{index}].{name}",
                    f"phải là một dòng chữ: {exc.public}",
                    f"must be one line of text: {exc.public}",
                )
    yield from _broker_keys(settings)
    yield from _receipt_key(settings)
    yield from _seal_key(settings)


def _single_sign_on(settings: Settings) -> Iterator[Fault]:
    oidc = settings.accounts.oidc
    if oidc.ca_file is not None and oidc.ca_file.is_file():
        try:
            ssl.create_default_context(cafile=oidc.ca_file)
        except OSError as exc:  # ssl.SSLError is one
            yield Fault(
                "accounts.oidc.ca_file",
                f"không phải chứng thư CA dạng PEM: {exc}",
                f"is no authority's certificate in PEM: {exc}",
            )
    if oidc.issuer is None:
        return
    url = urlsplit(oidc.issuer)
    if url.scheme != "https" and not is_loopback(url.hostname or ""):
        yield Fault(
            "accounts.oidc.issuer",
            "phải là https, trừ trên chính máy này",
            "must be https, except on this very machine",
        )
    if settings.http.public_url is None:
        yield Fault(
            "http.public_url",
            "cần có để nhà cung cấp đăng nhập một lần biết trả người dùng về đâu",
            "is needed, for the provider of single sign-on to send people back",
        )
    if not settings.accounts.domains:
        # ACC-05: without a list, any mailbox of the provider would do.
        yield Fault(
            "accounts.domains",
            "cần ít nhất một tên miền thư công vụ khi có đăng nhập một lần (ACC-05)",
            "needs at least one mail domain for single sign-on (ACC-05)",
        )


def _broker_keys(settings: Settings) -> Iterator[Fault]:
    from gateway.secrets import read_secret_file

    for section, broker in _rabbits(settings):
        password, authority = broker.password_file, broker.ca_file
        if password is not None and password.is_file():
            try:
                read_secret_file(password)
            except ConfigurationError as exc:
                yield Fault(
                    f"{section}.password_file",
                    f"phải là một dòng chữ: {exc.public}",
                    f"must be one line of text: {exc.public}",
                )
        if authority is not None and authority.is_file():
            try:
                ssl.create_default_context(cafile=authority)
            except OSError as exc:  # ssl.SSLError is one
                yield Fault(
                    f"{section}.ca_file",
                    f"không phải chứng thư CA dạng PEM: {exc}",
                    f"is no authority's certificate in PEM: {exc}",
                )


def _seal_key(settings: Settings) -> Iterator[Fault]:
    from gateway.seal.identity import load_identity

    seal = settings.reports.seal
    files = (seal.key_file, seal.certificate_file, seal.password_file)
    if seal.key_file is None:
        if any(files) or seal.tsa_url is not None:
            yield Fault(
                "reports.seal.key_file",
                "niêm phong báo cáo cần có khóa: đặt key_file",
                "a report seal needs its key: set key_file",
            )
    elif all(file is None or file.is_file() for file in files):
        try:
            load_identity(seal.key_file, seal.certificate_file, seal.password_file)
        except ConfigurationError as exc:
            yield from exc.faults or (Fault("reports.seal", exc.public, exc.public),)


def _token(settings: Settings) -> Iterator[Fault]:
    from gateway.keys.tokenuri import read_uri

    receipts = settings.receipts
    if receipts.key is None:
        if receipts.key_file is None:
            told = ("đặt key_file hoặc key", "set key_file or key")
            yield Fault("receipts.key_file", *told)
        return
    if receipts.key_file is not None:
        yield Fault("receipts.key", "đã có key_file: chỉ đặt một", "key_file is set: give one")
    try:
        read_uri(receipts.key)
    except ValueError as exc:
        yield Fault("receipts.key", f"không phải URI PKCS#11: {exc}", f"no PKCS#11 URI: {exc}")


def _receipt_key(settings: Settings) -> Iterator[Fault]:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    path = settings.receipts.key_file
    yield from _token(settings)
    if path is None or not path.is_file():
        return
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        yield Fault(
            "receipts.key_file",
            f"{path} không phải khóa riêng Ed25519 dạng PEM không mật khẩu",
            f"{path} is not an Ed25519 private key in PEM without password",
        )
