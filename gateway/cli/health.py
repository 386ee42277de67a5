"""`vanlien health`: ask the server behind a settings file whether it lives. Changes nothing.

For container health checks and for operators: address, port and TLS come from the settings, so the
check cannot ask the wrong door.
"""

import http.client
import json
import ssl
from datetime import UTC, datetime, timedelta
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
    with_nodes: Annotated[
        bool,
        typer.Option("--nodes", help="Kèm mọi tiến trình của sổ cái. / With the ledger's nodes."),
    ] = False,
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
        checks = _checks(connection) if status == http.client.OK else {}
        connection.close()
        reason = f"HTTP {status}"
    except (OSError, http.client.HTTPException) as exc:
        status, reason, checks = 0, str(exc) or type(exc).__name__, {}
    waiting = checks.get("verdicts", "")
    alive = status == http.client.OK
    human = f"{shown}: {'đang chạy / alive' if alive else f'không ổn / not well: {reason}'}"
    if status == 0:
        human += (
            "\nMáy chủ đang chạy chưa? / is it running? systemctl status vanlien; vanlien doctor"
        )
    if waiting not in {"", "ok"}:
        human += f"\nVăn bản chờ kết luận chữ ký / documents without a final verdict: {waiting}"
    wrong = {name: said for name, said in checks.items() if not f"{said} ".startswith("ok ")}
    for name, said in wrong.items():
        human += f"\nChưa sẵn sàng / not ready: {name}: {said}"
    nodes = _nodes(config) if with_nodes else None
    if nodes is not None:
        human += "".join(f"\n{n['name']}: {n['state']} ({','.join(n['roles'])})" for n in nodes)
    human += _backup(checks.get("backup", ""), load(config).backup.warn_after)
    lists = _lists(config)
    if lists is not None:
        human += f"\n{lists.vi}\n{lists.en}"
    ends = _ends(settings.tls_cert)
    if ends is not None:
        told = f"còn {ends[1]} ngày / {ends[1]} days left"
        human += f"\nChứng thư TLS / TLS certificate: {ends[0]} ({told})"
    payload = {"alive": alive, "url": shown, "detail": reason, "verdicts": waiting or None}
    payload |= {"checks": checks, "nodes": nodes}
    tls = None if ends is None else {"expires_at": ends[0], "days_left": ends[1]}
    emit({**payload, "revocation": _lists_json(lists), "tls": tls}, human, as_json)
    return OK if alive else FAILURE


def _backup(said: str, warn_after: timedelta) -> str:
    """Return what people are told of the last good backup (S004 art 10.2)."""
    if not said:
        return ""
    try:
        at = datetime.fromisoformat(said.removeprefix("ok (").rstrip(")"))
    except ValueError:
        return "\nChưa có bản sao lưu nào / no backup yet: vanlien backup --to …"
    old = " — QUÁ CŨ / TOO OLD" if datetime.now(UTC) - at > warn_after else ""
    return f"\nBản sao lưu tốt gần nhất / last good backup: {local_iso(at)}{old}"


def _ends(certificate: Path | None) -> tuple[str, int] | None:
    """Return until when the TLS certificate is valid, and the days left; None without one."""
    if certificate is None:
        return None
    from gateway.keys.tls import expires_at

    ends = expires_at(certificate.read_bytes())
    return local_iso(ends) or "", (ends - datetime.now(UTC)).days


def _drained(connection: http.client.HTTPConnection) -> int:
    """Return an answer's status, its body read, so that the connection can ask again."""
    answer = connection.getresponse()
    answer.read()
    return answer.status


def _checks(connection: http.client.HTTPConnection) -> dict[str, str]:
    """Return what /ready says of each thing an acceptance needs; nothing when it does not say."""
    try:
        connection.request("GET", "/ready")
        answer = connection.getresponse()
        told = json.loads(answer.read(_MAX_ANSWER))["checks"]
        return {str(name): str(said) for name, said in told.items()}
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _nodes(config: Path) -> list[dict[str, Any]]:
    """Return the nodes of the ledger, as they last spoke of themselves."""
    from gateway.cli.maintenance import node_json
    from gateway.stores import open_operations

    with open_operations(config) as ledger:
        return [node_json(node, datetime.now(UTC)) for node in ledger.nodes()]


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
