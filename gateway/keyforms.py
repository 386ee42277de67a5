"""How clients of each dialect name the keys of a system, and where they find us.

For whatever shows new keys once: the command line and the console. Keeps nothing.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from gateway.config import Settings

FACADE_PATH: Final = "/XrdAdapter/adapter"
SHOWN: Final = {"vxp": "VXP", "bkav": "Bkav", "langson": "LGSP", "wso2": "WSO2", "amqp": "AMQP"}


def forms(
    system_id: str, api_key: str, secret: str, settings: "Settings"
) -> dict[str, dict[str, str]]:
    """Return what a client of each open dialect asks for, under the names it has for it."""
    own: dict[str, dict[str, str]] = {
        "vxp": {"system_id": system_id, "secret": secret},
        "bkav": {"organ_id": "mã cơ quan / agency code", "token": api_key},
        "langson": {"username": system_id, "password": secret}
        | {"system_id": system_id, "secret_key": secret},
        "wso2": {"client_id": system_id, "client_secret": secret},
    }
    found: dict[str, dict[str, str]] = {}
    for dialect, form in own.items():
        base = facade_address(settings, dialect)
        if not base:
            continue
        found[dialect] = {"endpoint": base + _path(settings, dialect)} | form
        if dialect == "wso2":
            found[dialect]["token_endpoint"] = f"{base}/token"
    if settings.agencies_amqp.url is not None:
        found["amqp"] = {"user": system_id}
    return found


def _path(settings: "Settings", dialect: str) -> str:
    paths = {"vxp": FACADE_PATH, "bkav": "/EdocService", "wso2": settings.http.wso2_base}
    return paths.get(dialect, "")


def facade_address(settings: "Settings", dialect: str = "vxp") -> str:
    """Return the address a client of a dialect must be given, without its path; "" for none.

    The plain listener when there is one that speaks it (it exists for these clients), else the
    public address, else the listener itself.
    """
    http = settings.http
    for plain in http.plain_facades:
        if dialect in plain.facades:
            return f"http://{_reachable(plain.host)}:{plain.port}"
    if dialect not in http.facades:
        return ""
    if http.public_url:
        return str(http.public_url)
    scheme = "https" if http.tls_cert else "http"
    return f"{scheme}://{_reachable(http.host)}:{http.port}"


def _reachable(host: str) -> str:
    import socket

    if host in {"0.0.0.0", "::", "[::]"}:  # noqa: S104 — compared, not bound
        return socket.getfqdn()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def rows(
    system_id: str, api_key: str, secret: str, settings: "Settings"
) -> tuple[tuple[str, str], ...]:
    """Return what is shown of new keys, row by row."""
    found = [("Khóa API / API key", api_key)]
    for dialect, form in forms(system_id, api_key, secret, settings).items():
        found += [(f"{SHOWN[dialect]} {name.replace('_', ' ')}", v) for name, v in form.items()]
    return tuple(found)
