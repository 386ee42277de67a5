"""Sending mail by SMTP: one letter a connection, TLS unless the server is this machine.

Promises: no password goes over a line that is not encrypted; the server's certificate is verified;
one time limit for all of it; a header cannot be broken out of; what is told of a failure names no
address and no content. A letter has the same Message-ID at every try. Nothing is kept.
"""

import asyncio
import email.utils
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final, Literal

from gateway.ports.watch import Letter, Mailed

Security = Literal["tls", "starttls", "none"]
_FINAL: Final = frozenset({550, 551, 553, 554})
"""Answers about a receiver that no repetition changes."""


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server.

    Args:
        host: Its name.
        port: Its port.
        security: `tls` from the first byte, `starttls` (demanded), `none`.
        sender: Address in From.
        name: Name in From.
        user: "" for none.
        password: Read anew for each letter, so that a changed file counts at once.
        ca_file: Further authorities, "" for the system's alone.
        timeout: For one letter, all of it.
    """

    host: str
    port: int
    security: Security
    sender: str
    name: str = ""
    user: str = ""
    password: Callable[[], str] = str
    ca_file: str = ""
    timeout: timedelta = timedelta(seconds=30)


class SmtpPost:
    """See `gateway.ports.watch.Post`.

    Args:
        server: Where letters are given in.
        now: Time, for the Date header.
    """

    def __init__(self, server: Server, now: Callable[[], datetime]) -> None:
        self._server = server
        self._now = now

    async def send(self, letter: Letter) -> Mailed:
        """Send one; what the server does becomes an outcome."""
        import aiosmtplib

        try:
            async with asyncio.timeout(self._server.timeout.total_seconds()):
                await self._send(letter)
        except TimeoutError:
            return Mailed("no answer in time")
        except aiosmtplib.SMTPRecipientsRefused as exc:
            codes = {one.code for one in exc.recipients}
            return Mailed("the receiver was refused", final=bool(codes) and codes <= _FINAL)
        except aiosmtplib.SMTPAuthenticationError:
            return Mailed("the server refuses user or password")
        except aiosmtplib.SMTPResponseException as exc:
            return Mailed(f"the server says {exc.code}")
        except (aiosmtplib.SMTPException, OSError, ssl.SSLError, ValueError) as exc:
            return Mailed(f"no connection: {type(exc).__name__}")
        return Mailed()

    async def _send(self, letter: Letter) -> None:
        import aiosmtplib

        server = self._server
        line = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=self._context() if server.security != "none" else None,
            timeout=server.timeout.total_seconds(),
        )
        async with line:
            if server.user:
                await line.login(server.user, server.password())
            await line.send_message(self._message(letter))

    def _context(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self._server.ca_file:
            context.load_verify_locations(self._server.ca_file)
        return context

    def _message(self, letter: Letter) -> EmailMessage:
        message = EmailMessage(policy=SMTP)
        message["From"] = email.utils.formataddr((_line(self._server.name), self._server.sender))
        message["To"] = _line(letter.to)
        message["Subject"] = _line(letter.subject)
        message["Date"] = email.utils.format_datetime(self._now())
        message["Message-ID"] = f"<{_line(letter.message_id)}>"
        # No holiday notices come back (RFC 3834).
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.body)
        return message


def _line(text: str) -> str:
    """Return a text as one line: nothing breaks out of a header."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())
