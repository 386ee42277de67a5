"""Composition of the watch: settings become looks, texts, a mail server and a webhook.

For `gateway.app` and the command line alike; what sends mail is imported only where a server is
named.
"""

import base64
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from gateway.config import Settings
from gateway.domain import webhook as signing
from gateway.ports import Clock
from gateway.ports.watch import Post
from gateway.programs.context import Context
from gateway.programs.watch.documents import Waits
from gateway.programs.watch.machine import Facts, kernel_is_synchronised
from gateway.programs.watch.marked import MarkedMail
from gateway.programs.watch.noticing import Noticer
from gateway.programs.watch.program import Told, Watch
from gateway.programs.watch.telling import Allowance, Hook, Teller
from gateway.programs.watch.words import Words
from gateway.secrets import read_secret_file


def waits_of(settings: Settings) -> Waits:
    """Return how long what may wait."""
    told = settings.watch
    return Waits(
        not_picked_up=told.not_picked_up,
        not_acknowledged=told.not_acknowledged,
        not_fetched=told.not_fetched,
        urgent={
            1: told.urgent,
            2: told.very_urgent,
            3: told.express,
            4: told.express_timed,
        },
        destination_down=told.destination_down,
    )


def words_of(settings: Settings) -> Words:
    """Return the texts of mails."""
    http = settings.http
    url = http.public_url or f"http://{http.host}:{http.port}"
    host = settings.mail.sender.rpartition("@")[2]
    identifiers = settings.mail.identifiers
    return Words(settings.console.name, f"{url}/console", host, identifiers=identifiers)


def mail_of(settings: Settings, clock: Clock) -> Post | None:
    """Return what brings mail, None without a server."""
    told = settings.mail
    server = {
        "host": told.host,
        "port": told.port,
        "security": told.security,
        "sender": told.sender,
        "user": told.user,
        "ca_file": "" if told.ca_file is None else str(told.ca_file),
        "timeout": told.timeout,
    }
    password = _reader(told.password_file)
    if not told.host:
        return None
    from adapters.mail.smtp import Server, SmtpPost

    made = Server(**server, name=settings.console.name, password=password)  # type: ignore[arg-type]
    post = SmtpPost(made, clock.now)
    return MarkedMail(post) if settings.console.training else post


def hook_of(settings: Settings) -> Hook | None:
    """Return the webhook of operations, None without."""
    told, secret_file = settings.watch, settings.watch.webhook_secret_file
    if told.webhook_url is None or secret_file is None:
        return None
    from adapters.webhook.post import HttpPost, Reach

    hooks = settings.webhooks
    reach = Reach(
        networks=tuple(hooks.networks),
        ports=hooks.ports,
        timeout=hooks.timeout,
        ca_file="" if hooks.ca_file is None else str(hooks.ca_file),
    )
    return Hook(
        told.webhook_url,
        lambda: _secret(read_secret_file(secret_file)),
        HttpPost(reach),
        settings.console.training,
    )


def _secret(text: str) -> bytes:
    if text.startswith(signing.PREFIX):
        return base64.b64decode(text.removeprefix(signing.PREFIX))
    return text.encode()


def _reader(path: Path | None) -> Callable[[], str]:
    if path is None:
        return str
    return lambda: read_secret_file(path)


def make_watch(settings: Settings, context: Context, facts: Facts) -> Watch:
    """Return what watches; `facts` says what others of this process know."""
    mail, hook = mail_of(settings, context.clock), hook_of(settings)
    known = replace(
        facts,
        offset_over=settings.clock.max_offset,
        time_server=settings.clock.ntp_server is not None,
        synchronised=kernel_is_synchronised,
        expires_before=settings.keys.warn_before,
        disk_before=settings.retention.disk_warn,
        backup_before=settings.backup.warn_after,
    )
    told = Told(
        operations=tuple(settings.watch.operations),
        mail=mail is not None,
        hook=hook is not None,
        digest=settings.watch.digest,
    )
    allowance, words = Allowance(settings.mail.per_minute), words_of(settings)
    teller = Teller(context, words, mail, hook, allowance)
    noticer = Noticer(context, words, mail, allowance)
    return Watch(context, known, waits_of(settings), told, (teller, noticer))
