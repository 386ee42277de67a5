"""What is typed about an account, checked at once. Pure."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.domain.folding import plain
from gateway.domain.machine import Text
from gateway.errors import Reason, RejectedError
from gateway.ports.accounts import NewAccount

_LOGIN: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{1,99}")
_MAIL: Final = re.compile(r"[^\s@<>\"]{1,64}@[a-z0-9-]+(\.[a-z0-9-]+)+")
_LONGEST: Final = 200


def folded(login: str) -> str:
    """Return a login as it is kept: no blanks, no accents, no capitals."""
    return plain_login(login.strip()[:200])[:100]


def plain_login(login: str) -> str:
    """Return a login's letters folded, its signs left alone."""
    return "".join(plain(c) if c.isalpha() else c for c in login.casefold())


def is_mail(text: str) -> bool:
    """Return whether a text is one mail address."""
    return bool(_MAIL.fullmatch(text))


def account_faults(new: NewAccount) -> tuple[Text, ...]:
    """Return everything that is wrong with an account to be made."""
    return tuple(_faults(new))


def _faults(new: NewAccount) -> Iterator[Text]:
    if not _LOGIN.fullmatch(new.login):
        yield Text(
            "Tên đăng nhập: 2 đến 100 chữ cái không dấu, chữ số, dấu . _ - @",
            "The login: 2 to 100 plain letters, digits, and . _ - @",
        )
    if not 1 <= len(new.name) <= _LONGEST or not new.name.isprintable():
        yield Text("Thiếu họ tên, hoặc họ tên quá dài", "The full name is missing, or too long")
    if new.mail and not is_mail(new.mail):
        yield Text("Địa chỉ thư điện tử sai", "The mail address is none")
    if len(new.request_ref) > _LONGEST:
        yield Text("Số văn bản đề nghị quá dài", "The number of the request is too long")


TAKEN: Final = Text("Tên đăng nhập này đã có người dùng", "This login is taken")


REFERENCE: Final = Text("Thiếu số văn bản đề nghị", "Name the document that asks for it")


def stated(text: str, fault: Text) -> str:
    """Return a text of administration without blanks around it.

    Raises:
        RejectedError: It is empty or too long.
    """
    bare = " ".join(text.split())
    if not bare or len(bare) > 500:
        refused((fault,), fault.en)
    return bare


def refused(
    wrong: Sequence[Text],
    public: str = "Please check what was typed",
    *,
    rule: str = "ACC-01",
    reason: Reason = Reason.BAD_REQUEST,
) -> None:
    """Refuse with everything that is wrong, at once; nothing when there is nothing.

    Raises:
        RejectedError: With a finding for each.
    """
    if not wrong:
        return
    found = tuple(Finding(rule, Severity.ERROR, "", one.vi, one.en) for one in wrong)
    raise RejectedError(reason, public, findings=found)
