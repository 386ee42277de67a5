"""`vanlien health`: ask the server behind a settings file whether it lives. Changes nothing.

For container health checks and for operators: address, port and TLS come from the settings, so the
check cannot ask the wrong door.
"""

import http.client
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, local_iso
from gateway.cli.frame import FAILURE, OK, emit, examples

if TYPE_CHECKING:
    from gateway.config import Http
    from gateway.ports import RevocationHealth

_MAX_ANSWER: Final = 64 * 1024


def register(app: typer.Typer) -> None:
    """Add `health`."""
    app.command(
        "health",
        epilog=examples(
            "vanlien health --config /srv/vanlien/vanlien.toml",
            exits="0 đang chạy / alive · 70 không trả lời / no answer",
        ),
    )(health)


def health(
    config: ConfigOption = Path(CONFIG_NAME),
    timeout_s: Annotated[
        float, typer.Option("--timeout", min=0.1, help="Giây chờ tối đa. / Seconds to wait.")
    ] = 3.0,
    as_json: JsonOption = False,
) -> int:
    """Hỏi máy chủ còn chạy không. / Ask whether the server lives."""
    from gateway.config import load

    settings = load(config).http
    host = _own_address(settings.host)
    shown = f"{'https' if settings.tls_cert else 'http'}://{host}:{settings.port}/live"
    try:
        connection = _connection(settings, host, timeout_s)
        connection.request("GET", "/live")
        status = _drained(connection)
        waiting = _waiting(connection) if status == http.client.OK else ""
        connection.close()
        reason = f"HTTP {status}"
    except (OSError, http.client.HTTPException) as exc:
        status, reason, waiting = 0, str(exc) or type(exc).__name__, ""
    alive = status == http.client.OK
    human = f"{shown}: {'đang chạy / alive' if alive else f'không ổn / not well: {reason}'}"
    if waiting not in {"", "ok"}:
        human += f"\nVăn bản chờ kết luận chữ ký / documents without a final verdict: {waiting}"
    lists = _lists(config)
    if lists is not None:
        human += f"\n{lists.vi}\n{lists.en}"
    payload = {"alive": alive, "url": shown, "detail": reason, "verdicts": waiting or None}
    emit({**payload, "revocation": _lists_json(lists)}, human, as_json)
    return OK if alive else FAILURE


def _drained(connection: http.client.HTTPConnection) -> int:
    """Return an answer's status, its body read, so that the connection can ask again."""
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _waiting(connection: http.client.HTTPConnection) -> str:
    """Return how many documents wait for a verdict for a cause of ours, "" when it does not say."""
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        return str(json.loads(answer.read(_MAX_ANSWER))["checks"]["verdicts"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return ""


def _lists(config: Path) -> "RevocationHealth | None":
    """Return how revocation lists stand, None when nobody has looked yet (SIG-42)."""
    from gateway.config import load
    from gateway.verifier.healthnote import read_health

    return read_health(load(config).verify.revocation.dir, datetime.now(UTC))


def _lists_json(lists: "RevocationHealth | None") -> dict[str, Any] | None:
    if lists is None:
        return None
    rows = [
        {
            "issuer": one.issuer,
            "state": one.state,
            "this_update": local_iso(one.this_update),
            "next_update": local_iso(one.next_update),
        }
        for one in lists.lists
    ]
    return {"state": lists.state, "vi": lists.vi, "en": lists.en, "lists": rows}


def _own_address(host: str) -> str:
    """Return where this machine reaches a listener: one on all addresses by loopback."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 — read, not bound


def _connection(settings: "Http", host: str, timeout_s: float) -> http.client.HTTPConnection:
    if settings.tls_cert is None:
        return http.client.HTTPConnection(host, settings.port, timeout=timeout_s)
    # Our own certificate is the anchor: whoever shows it is this server, whatever name it bears.
    context = ssl.create_default_context(cafile=str(settings.tls_cert))
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return http.client.HTTPSConnection(host, settings.port, timeout=timeout_s, context=context)
