"""Mail of a system for training: the mark before every subject and above every text.

Wraps what brings mail, so that no letter is written without it, whoever writes it. Keeps nothing.
"""

from dataclasses import replace

from gateway.domain.marking import MARK, MARK_EN
from gateway.ports.watch import Letter, Mailed, Post


class MarkedMail:
    """See `ports.watch.Post`."""

    def __init__(self, mail: Post) -> None:
        self._mail = mail

    async def send(self, letter: Letter) -> Mailed:
        """Send it, marked."""
        body = f"{MARK} / {MARK_EN}\n\n{letter.body}"
        return await self._mail.send(
            replace(letter, subject=f"[{MARK}] {letter.subject}", body=body)
        )
