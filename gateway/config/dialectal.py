"""Checks of a peer's settings against its dialect: its forms, what is its alone. Pure."""

import ipaddress
import ssl
from collections.abc import Collection, Iterable, Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.config.partners import VARIANTS, Peer
from gateway.errors import Fault

_ALONE: Final = {
    "username": "langson",
    "application_code": "langson",
    "password_file": "langson",
    "token_endpoint": "wso2",
    "unit_secret_file": "wso2",
}
"""Settings of a peer that one dialect alone understands, and which."""


def training_faults(peers: Iterable[Peer], allowed: Collection[str]) -> Iterator[Fault]:
    """Yield the peers a system for training may not have: training data never reach an axis."""
    for peer in peers:
        if peer.id not in allowed and not _is_here(urlsplit(str(peer.endpoint)).hostname):
            yield Fault(
                "console.training",
                f'hệ thống tập huấn không được nối tới "{peer.id}": bỏ [[peer]] này, hoặc ghi tên '
                "nó vào console.training_peers nếu bên kia cũng là hệ thống thử",
                f'a system for training may not be connected to "{peer.id}": remove this [[peer]], '
                "or name it in console.training_peers if it is for training too",
            )


def dialect_faults(peer: Peer) -> Iterator[Fault]:
    """Yield the faults of a peer's settings against its dialect."""
    forms = VARIANTS.get(peer.dialect, ())
    if peer.variant and peer.variant not in forms:
        told = ", ".join(f'"{form}"' for form in forms) or '""'
        yield Fault(
            "peer.variant",
            f'"{peer.id}": giao thức {peer.dialect} chỉ có {told}',
            f'"{peer.id}": the dialect {peer.dialect} has {told} only',
        )
    for name, owner in _ALONE.items():
        if getattr(peer, name) and peer.dialect != owner:
            yield Fault(
                f"peer.{name}",
                f'"{peer.id}": chỉ dùng với dialect = "{owner}"',
                f'"{peer.id}": goes with dialect = "{owner}" only',
            )
    where = urlsplit(str(peer.endpoint))
    if peer.dialect == "langson" and where.scheme == "http" and not _is_here(where.hostname):
        # SEC-04: the secret goes with every call as it is, in the address with lgspedoc.
        yield Fault(
            "peer.endpoint",
            f'"{peer.id}": khóa được gửi nguyên văn tới đây, phải dùng https://',
            f'"{peer.id}": the secret is sent there as it is: use https://',
        )
    if peer.unit_secret_file and where.scheme == "http" and not _is_here(where.hostname):
        # SEC-04: it stands in a header of every call, and nobody replaces it every hour.
        yield Fault(
            "peer.endpoint",
            f'"{peer.id}": secretDonVi được gửi nguyên văn tới đây, phải dùng https://',
            f'"{peer.id}": secretDonVi is sent there as it is: use https://',
        )
    signs_in = urlsplit(str(peer.token_endpoint or peer.endpoint))
    if peer.dialect == "wso2" and signs_in.scheme == "http" and not _is_here(signs_in.hostname):
        # SEC-04 (RFC 6749 3.2): the secret goes to the token endpoint as it is.
        yield Fault(
            "peer.token_endpoint",
            f'"{peer.id}": khóa được gửi nguyên văn tới đây, phải dùng https://',
            f'"{peer.id}": the secret is sent there as it is: use https://',
        )


def tls_faults(peer: Peer) -> Iterator[Fault]:
    """Yield the faults of a peer's TLS files; missing ones are told by their own keys."""
    if (peer.certificate_file is None) != (peer.key_file is None):
        lacking = "certificate_file" if peer.certificate_file is None else "key_file"
        yield Fault(
            f"peer.{lacking}",
            f'"{peer.id}": certificate_file và key_file phải đi cùng nhau',
            f'"{peer.id}": certificate_file and key_file must be given together',
        )
        return
    for name in ("ca_file", "certificate_file"):
        path = getattr(peer, name)
        if path is None or not path.is_file():
            continue
        try:
            if name == "ca_file":
                ssl.create_default_context(cafile=path)
            else:
                ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(path, peer.key_file)
        except OSError as exc:  # ssl.SSLError is one
            yield Fault(
                f"peer.{name}",
                f'"{peer.id}": chứng thư không dùng được: {exc}',
                f'"{peer.id}": the certificate cannot be used: {exc}',
            )


def _is_here(host: str | None) -> bool:
    if not host:
        return False
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
