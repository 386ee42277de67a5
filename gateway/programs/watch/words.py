"""What a mail says: Vietnamese first, English below; numbers and identifiers, never content.

The subject names the gateway and what is wrong; the body how much, since when, what to do, and
where. Pure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from gateway.domain.duties import NOTICE_TEXTS
from gateway.domain.moments import VIETNAM, from_text
from gateway.domain.watch import (
    KINDS,
    SEVERITY_TEXTS,
    TODAY_TEXTS,
    Severity,
    Today,
)
from gateway.ports import Row
from gateway.ports.watch import Alert, Letter

_MOST_LINES = 50


@dataclass(frozen=True, slots=True)
class Words:
    """Texts of mails.

    Args:
        name: Name of the gateway.
        url: Address of the console, without a slash at its end.
        host: What stands behind the @ of a Message-ID.
        identifiers: Whether identifiers of documents are named (a policy).
    """

    name: str
    url: str
    host: str
    identifiers: bool = True

    def alerts(self, message_id: str, to: str, alerts: Sequence[Alert]) -> Letter:
        """Return the mail about one alert or many, the worst first."""
        worst = sorted(alerts, key=lambda a: (-a.severity, a.first_seen))
        first = worst[0]
        title = KINDS[first.kind].text.vi
        if len(worst) > 1:
            title = f"{len(worst)} cảnh báo: {title}…"
        mark = SEVERITY_TEXTS[first.severity].vi.upper()
        urgent = f"[{mark}] " if first.severity >= Severity.URGENT else ""
        lines: list[str] = []
        for alert in worst[:_MOST_LINES]:
            lines += [*self._vi(alert), *self._en(alert), ""]
        if len(worst) > _MOST_LINES:
            rest = len(worst) - _MOST_LINES
            lines += [f"… và {rest} cảnh báo khác / and {rest} more", ""]
        lines.append(f"{self.url}/alerts")
        return Letter(message_id, to, f"{urgent}{title} · {self.name}", _body(lines))

    def _vi(self, alert: Alert) -> list[str]:
        row = KINDS[alert.kind]
        lines = [f"{row.text.vi} ({SEVERITY_TEXTS[alert.severity].vi})"]
        if alert.agency:
            lines.append(f"  Đơn vị: {alert.agency}")
        lines.append(f"  Từ: {_moment(alert.since)}; số lượng: {alert.count}")
        if alert.due is not None:
            lines.append(f"  Hạn: {_moment(alert.due)}")
        if self.identifiers and alert.about:
            lines.append(f"  Gồm: {', '.join(alert.about)}")
        return [*lines, f"  Việc cần làm: {row.advice.vi}", f"  {self.url}/alerts/{alert.id}"]

    def _en(self, alert: Alert) -> list[str]:
        row = KINDS[alert.kind]
        return [f"  {row.text.en}. {row.advice.en}"]

    def maintenance(self, message_id: str, to: str, act: str, work: Row) -> Letter:
        """Return the mail about one step of a maintenance (OPS-06)."""
        said = NOTICE_TEXTS[act]
        lines = [
            f"{said.vi}: {work['title']}",
            f"{said.en}: {work['title']}",
            "",
            f"  Dự kiến / Planned: {_duration(work)}",
        ]
        if act == "finish" and work["ended_at"]:
            lines.append(f"  Xong lúc / Done: {_moment(from_text(work['ended_at']))}")
        if work["detail"] and act == "announce":
            lines += ["", work["detail"]]
        lines += ["", f"{self.url}"]
        return Letter(message_id, to, f"{said.vi}: {work['title']} · {self.name}", _body(lines))

    def digest(self, message_id: str, to: str, today: Today, now: datetime) -> Letter:
        """Return the mail of a morning (RPT-13)."""
        day = now.astimezone(VIETNAM).strftime("%d/%m/%Y")
        lines = [f"Việc hôm nay {day} · {today.agency}", f"Today at {today.agency}", ""]
        for field, (text, path) in TODAY_TEXTS.items():
            count = getattr(today, field)
            where = f"  {self.url}{path}" if count else ""
            lines.append(f"  {text.vi} / {text.en}: {count}{where}")
        lines += ["", f"{self.url}/today?agency={today.agency}"]
        subject = f"Việc hôm nay {day}: {_short(today)} · {self.name}"
        return Letter(message_id, to, subject, _body(lines))


def _duration(work: Row) -> str:
    return f"{_moment(from_text(work['planned_from']))} – {_moment(from_text(work['planned_to']))}"


def _short(today: Today) -> str:
    return f"{today.waiting} chờ tiếp nhận, {today.overdue + today.tasks_late} quá hạn"


def _moment(at: datetime) -> str:
    return at.astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M")


def _body(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"
