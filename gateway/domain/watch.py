"""What is watched: kinds of alerts, when one begins, who is told, when the next level is.

Promises: an alert is one for a kind, a subject and an agency as long as its cause lasts, however
often it is seen; it ends when the cause is gone, or when a person says why it is to end, never
because somebody read it or because time passed; what is urgent is told day and night (SND-03,
RCV-09), everything else in office hours; not acknowledged in time, the next level of the duty
roster is told, up to the last. Tables and pure functions.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.machine import Text

OPERATIONS: Final = ""
"""The agency of an alert that concerns the gateway itself."""

LEVELS: Final = 3
"""Levels of escalation: who is on duty, their leader, operations."""


class Severity(IntEnum):
    """How bad it is; worse ones come first on every page."""

    INFO = 0
    WARNING = 1
    URGENT = 2
    CRITICAL = 3


class AlertState(StrEnum):
    """How far an alert is."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    DISMISSED = "dismissed"
    ENDED = "ended"


SEVERITY_TEXTS: Final[Mapping[Severity, Text]] = MappingProxyType(
    {
        Severity.INFO: Text("để biết", "for information"),
        Severity.WARNING: Text("cảnh báo", "warning"),
        Severity.URGENT: Text("khẩn", "urgent"),
        Severity.CRITICAL: Text("nghiêm trọng", "critical"),
    }
)
STATE_TEXTS: Final[Mapping[AlertState, Text]] = MappingProxyType(
    {
        AlertState.OPEN: Text("chưa ai nhận", "nobody has taken it"),
        AlertState.ACKNOWLEDGED: Text("đã có người nhận", "somebody has taken it"),
        AlertState.DISMISSED: Text("đã có người cho kết thúc", "ended by a person"),
        AlertState.ENDED: Text("đã hết", "over"),
    }
)


class AlertKind(StrEnum):
    """What can be wrong; the values are stored, so a name here is for ever."""

    NOT_PICKED_UP = "not-picked-up"
    NOT_ACKNOWLEDGED = "not-acknowledged"
    NOT_FETCHED = "not-fetched"
    RECEIPT_DUE = "receipt-due"
    REGISTERED_LATE = "registered-late"
    URGENT_UNSENT = "urgent-unsent"
    URGENT_WAITING = "urgent-waiting"
    DESTINATION_DOWN = "destination-down"
    DEAD_LETTERS = "dead-letters"
    VERDICTS_OVERDUE = "verdicts-overdue"
    KEY_EXPIRES = "key-expires"
    CLOCK_OFF = "clock-off"
    CLOCK_UNKNOWN = "clock-unknown"
    CLOCK_DIFFERS = "clock-differs"
    CHAIN_BROKEN = "chain-broken"
    DISK_FULL_SOON = "disk-full-soon"
    BACKUP_OLD = "backup-old"
    LISTS_OLD = "lists-old"
    STAMPS_MISSING = "stamps-missing"
    SCANNER_OFF = "scanner-off"
    HOLIDAYS_UNCONFIRMED = "holidays-unconfirmed"
    MAINTENANCE_DUE = "maintenance-due"
    ACCOUNT_LOST = "account-lost"
    INCIDENT_OPEN = "incident-open"


@dataclass(frozen=True, slots=True)
class KindRow:
    """One row of the table of kinds.

    Args:
        text: What is wrong, as a title.
        advice: What to do.
        severity: How bad it is.
        real_time: Told day and night (khẩn and above); else in office hours only.
        step: Time until the next level is told when nobody acknowledged; None: there is none.
        everybody: A banner for everybody, not only for who acknowledges.
        by_hand: A person may end it with a reason though its cause lasts: a document that nobody
            will ever answer.
    """

    text: Text
    advice: Text
    severity: Severity = Severity.WARNING
    real_time: bool = False
    step: timedelta | None = None
    everybody: bool = False
    by_hand: bool = False


_K = AlertKind
_SOON: Final = timedelta(minutes=15)
_HOUR: Final = timedelta(hours=1)

KINDS: Final[Mapping[AlertKind, KindRow]] = MappingProxyType(
    {
        # SND-08 (QĐ28 art 8.2): the sender follows whether it reached the right receivers.
        _K.NOT_PICKED_UP: KindRow(
            Text("Bên nhận chưa nhận văn bản", "Not picked up by the receiver"),
            Text(
                "Chưa có hồi báo 01: hỏi bên nhận, hoặc gửi bằng hình thức khác.",
                "No 01 came: ask the receiver, or send it another way.",
            ),
            by_hand=True,
        ),
        _K.NOT_ACKNOWLEDGED: KindRow(
            Text("Bên nhận chưa tiếp nhận", "Not accepted by the receiver"),
            Text(
                "Đã đến nhưng chưa có 03 hoặc 02: liên hệ văn thư bên nhận.",
                "It arrived, neither 03 nor 02 came: call the receiver's clerk.",
            ),
            by_hand=True,
        ),
        _K.NOT_FETCHED: KindRow(
            Text("Phần mềm của đơn vị chưa lấy văn bản đến", "Our system fetches no documents"),
            Text(
                "Văn bản đang chờ tại cổng: kiểm tra kết nối của phần mềm quản lý văn bản.",
                "Documents wait at the gateway: look at the connection of your own system.",
            ),
            step=_HOUR,
            by_hand=True,
        ),
        # RCV-05 (NĐ30 art 21.2c): the sender is told within the day.
        _K.RECEIPT_DUE: KindRow(
            Text("Phải hồi báo trong hôm nay", "Receipt due today"),
            Text(
                "Tiếp nhận (03) hoặc trả lại (02) trước khi hết giờ làm việc.",
                "Accept (03) or return (02) before the end of the working day.",
            ),
            step=_HOUR,
            by_hand=True,
        ),
        # RCV-08 (NĐ30 art 4.2c): registered the same day, at the latest the next working day.
        _K.REGISTERED_LATE: KindRow(
            Text("Văn bản đến chưa vào sổ đúng hạn", "Not registered in time"),
            Text("Vào sổ văn bản đến ngay.", "Register it at once."),
            step=2 * _HOUR,
            by_hand=True,
        ),
        # SND-03 (S003 art 7.2): urgent ones leave at once; "at once" has no number in law (F21).
        _K.URGENT_UNSENT: KindRow(
            Text("Văn bản khẩn chưa gửi đi được", "An urgent document has not left"),
            Text(
                "Tải gói tin để chuyển bằng cách khác, báo bộ phận vận hành.",
                "Save the packet and carry it another way, tell operations.",
            ),
            Severity.URGENT,
            real_time=True,
            step=_SOON,
            by_hand=True,
        ),
        # RCV-09 (NĐ30 art 4.2c, 23.1): solved at once after receipt.
        _K.URGENT_WAITING: KindRow(
            Text("Văn bản khẩn đang chờ xử lý", "An urgent document waits"),
            Text("Tiếp nhận và trình ngay.", "Accept it and hand it on at once."),
            Severity.URGENT,
            real_time=True,
            step=_SOON,
            by_hand=True,
        ),
        # SND-15: nothing is lost while a destination is away; it is said to everybody.
        _K.DESTINATION_DOWN: KindRow(
            Text("Nơi nhận, trục gián đoạn", "A destination does not answer"),
            Text(
                "Văn bản đã được giữ và sẽ tự gửi khi có lại.",
                "Documents are kept, and leave by themselves when it is back.",
            ),
            Severity.CRITICAL,
            real_time=True,
            step=_HOUR,
            everybody=True,
        ),
        _K.DEAD_LETTERS: KindRow(
            Text("Lượt gửi thất bại, chờ xử lý", "Sendings failed and wait for somebody"),
            Text("Tìm nguyên nhân rồi gửi lại.", "Find the cause, then put them back."),
            step=2 * _HOUR,
            by_hand=True,
        ),
        _K.VERDICTS_OVERDUE: KindRow(
            Text("Việc kiểm tra chữ ký bị dừng", "Signatures are not being verified"),
            Text("Xem các tiến trình kiểm tra chữ ký.", "Look at the verifier processes."),
            Severity.CRITICAL,
            real_time=True,
            step=_SOON,
        ),
        _K.KEY_EXPIRES: KindRow(
            Text("Chứng thư, khóa sắp hết hạn", "A certificate or key expires soon"),
            Text("Xin cấp và thay chứng thư.", "Have it renewed and replace it."),
        ),
        # TIM-01 (S003 art 11.3): the same time across all systems.
        _K.CLOCK_OFF: KindRow(
            Text("Đồng hồ máy chủ sai", "The clock is off"),
            Text("Sửa đồng bộ thời gian của máy chủ.", "Mend the time service of the machine."),
            Severity.CRITICAL,
            real_time=True,
            step=_SOON,
        ),
        _K.CLOCK_UNKNOWN: KindRow(
            Text("Không biết đồng hồ đúng hay sai", "Nobody knows whether the clock is right"),
            Text("Khai báo máy chủ thời gian.", "Name a time server."),
        ),
        _K.CLOCK_DIFFERS: KindRow(
            Text("Giờ bên liên thông lệch với giờ ở đây", "A peer's clock differs from ours"),
            Text(
                "Đối chiếu cả hai với máy chủ thời gian; báo bên liên thông nếu họ sai.",
                "Compare both with a time server; tell the peer if theirs is wrong.",
            ),
        ),
        _K.CHAIN_BROKEN: KindRow(
            Text("Nhật ký hồi báo bị thay đổi", "The receipt log was changed"),
            Text(
                "Giữ nguyên hiện trạng, lập sự cố, khôi phục từ bản sao lưu.",
                "Touch nothing, open an incident, restore from a backup.",
            ),
            Severity.CRITICAL,
            real_time=True,
            step=_SOON,
        ),
        _K.DISK_FULL_SOON: KindRow(
            Text("Ổ đĩa sắp đầy", "The disk is full soon"),
            Text("Thêm dung lượng.", "Add room."),
            Severity.URGENT,
            step=2 * _HOUR,
        ),
        _K.BACKUP_OLD: KindRow(
            Text("Bản sao lưu đã cũ", "The last backup is old"),
            Text("Xem vì sao sao lưu không chạy.", "Look why no backup is made."),
            Severity.URGENT,
            step=2 * _HOUR,
        ),
        _K.LISTS_OLD: KindRow(
            Text("Danh sách thu hồi chứng thư đã cũ", "Revocation lists are too old"),
            Text("Nạp danh sách mới của tổ chức chứng thực.", "Bring the authority's new list."),
        ),
        _K.STAMPS_MISSING: KindRow(
            Text("Báo cáo chưa có dấu thời gian", "Reports lack their time stamp"),
            Text("Xem dịch vụ cấp dấu thời gian.", "Look at the time stamping service."),
        ),
        _K.SCANNER_OFF: KindRow(
            Text("Trình quét mã độc không hoạt động", "The malware scanner does not answer"),
            Text("Khởi động lại clamd, cập nhật mẫu.", "Restart clamd, update its signatures."),
            Severity.URGENT,
            step=_HOUR,
        ),
        # ACC-02 (S003 art 22.2): who lost control says so at once, whatever the hour.
        _K.ACCOUNT_LOST: KindRow(
            Text("Tài khoản mất quyền kiểm soát, đã khóa", "Control of an account was lost"),
            Text(
                "Xác minh với người dùng rồi đặt lại mật khẩu và xác thực bước hai.",
                "Ask the person, then reset password and second factor.",
            ),
            Severity.URGENT,
            real_time=True,
            step=_HOUR,
        ),
        # OPS-09 (S003 art 22.3b): who runs the system hears of an incident at once.
        _K.INCIDENT_OPEN: KindRow(
            Text("Sự cố đang mở", "An incident is open"),
            Text(
                "Xử lý, ghi đã báo cho ai, rồi kết thúc sự cố.",
                "Deal with it, note whom it was told, then close it.",
            ),
            Severity.URGENT,
            real_time=True,
            step=_HOUR,
        ),
        # TIM-05, TIM-06: announced year by year.
        _K.HOLIDAYS_UNCONFIRMED: KindRow(
            Text("Ngày nghỉ năm sau chưa xác nhận", "Next year's holidays are not confirmed"),
            Text("Đối chiếu thông báo rồi xác nhận.", "Compare with what was announced, confirm."),
            Severity.INFO,
        ),
        # OPS-07 (S002 art 10.2đ): at least every three months.
        _K.MAINTENANCE_DUE: KindRow(
            Text("Đến hạn bảo trì định kỳ", "Periodic maintenance is due"),
            Text("Lập kế hoạch và thông báo đơn vị.", "Make a plan and tell the units."),
            Severity.INFO,
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that is wrong now.

    Args:
        kind: What.
        subject: Of what: `<kind of thing>:<id>`; with kind and agency it names the alert.
        agency: Whom it concerns, OPERATIONS for the gateway itself.
        since: Since when.
        due: Until when something must be done, None without.
        count: How many things.
        about: Identifiers or numbers of the oldest ones; no content.
        path: Page of the console, below its base.
        latest: When the youngest of these things came, None when nobody knows.
    """

    kind: AlertKind
    subject: str
    agency: str
    since: datetime
    due: datetime | None = None
    count: int = 1
    about: tuple[str, ...] = ()
    path: str = ""
    latest: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what makes it the same alert."""
        return (self.kind.value, self.subject, self.agency)


@dataclass(frozen=True, slots=True)
class Standing:
    """An alert of the ledger that has not ended, as far as the rules go.

    `dismissed_at`: when a person ended it though its cause lasts, None when nobody did.
    """

    alert_id: str
    kind: AlertKind
    subject: str
    agency: str
    count: int
    last_seen: datetime
    dismissed_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """Return what makes it the same alert."""
        return (self.kind.value, self.subject, self.agency)

    def covers(self, cause: Cause) -> bool:
        """Return whether what is wrong now is no more than what a person has put an end to."""
        if self.dismissed_at is None:
            return True
        new = cause.latest is not None and cause.latest > self.dismissed_at
        return not new and cause.count <= self.count


@dataclass(frozen=True, slots=True)
class Plan:
    """What one look changes."""

    begins: tuple[Cause, ...] = ()
    goes_on: tuple[tuple[Standing, Cause], ...] = ()
    ends: tuple[Standing, ...] = ()


REFRESH: Final = timedelta(minutes=15)
"""An alert that goes on as it was is written again only so often."""


def compare(
    standing: Iterable[Standing],
    causes: Iterable[Cause],
    looked: Collection[AlertKind],
    now: datetime,
) -> Plan:
    """Return what changes between what stands and what is wrong now.

    Args:
        standing: Alerts that have not ended.
        causes: What is wrong now, at most one for each key.
        looked: Kinds that were really looked at: nothing else ends. A look that failed must not
            say that all is well.
        now: Aware instant.
    """
    there = {cause.key: cause for cause in causes}
    begins: list[Cause] = []
    goes_on: list[tuple[Standing, Cause]] = []
    ends: list[Standing] = []
    for one in standing:
        cause = there.pop(one.key, None)
        if cause is None:
            if one.kind in looked:
                ends.append(one)
        elif not one.covers(cause):
            # Something came since a person ended it: that is another alert, told anew.
            ends.append(one)
            begins.append(cause)
        elif cause.count != one.count or now - one.last_seen >= REFRESH:
            goes_on.append((one, cause))
    return Plan((*begins, *there.values()), tuple(goes_on), tuple(ends))


def next_level_at(kind: AlertKind, level: int, told_at: datetime) -> datetime | None:
    """Return when the next level is told if nobody acknowledges, None when there is none."""
    step = KINDS[kind].step
    return None if step is None or level >= LEVELS else told_at + step


URGENT_MINUTES: Final[Mapping[int, timedelta]] = MappingProxyType(
    {
        1: timedelta(minutes=60),
        2: timedelta(minutes=30),
        3: timedelta(minutes=10),
        4: timedelta(minutes=5),
    }
)
"""SND-03, RCV-09: real time until an urgent document counts as waiting: khẩn, thượng khẩn, hỏa tốc,
hỏa tốc hẹn giờ. The law has no number (F21): these are ours, and settings."""


def urgent_due(urgency: int, since: datetime, minutes: Mapping[int, timedelta]) -> datetime:
    """Return from when an urgent document counts as waiting; day and night, no calendar."""
    return since + minutes.get(urgency, minutes[min(minutes)])


# ---------------------------------------------------------------- who is told


@dataclass(frozen=True, slots=True)
class Turn:
    """A turn of duty (ca trực): who, for whom, until when, at which level.

    Args:
        agency: For whom, OPERATIONS for the gateway.
        level: 1 is told first.
        name: Who, as shown.
        mail: Where mail goes, "" for nobody.
        begins: Aware instant, inclusive.
        ends: Aware instant, exclusive.
    """

    agency: str
    level: int
    name: str
    mail: str
    begins: datetime
    ends: datetime

    def is_on(self, at: datetime) -> bool:
        """Return whether it is this one's turn."""
        return self.begins <= at < self.ends


@dataclass(frozen=True, slots=True)
class House:
    """Addresses of one agency without regard to turns.

    Args:
        clerks: Of who has the right to acknowledge.
        leaders: Of its leaders.
    """

    clerks: tuple[str, ...] = ()
    leaders: tuple[str, ...] = ()


def addresses(
    level: int,
    turns: Sequence[Turn],
    house: House,
    operations: Sequence[str],
    now: datetime,
) -> tuple[str, ...]:
    """Return whom mail goes to at a level: who is on duty, else the office, else operations.

    Args:
        level: From 1; the last one is operations, in addition to the roster's.
        turns: The roster of the alert's agency.
        house: Its clerks and leaders.
        operations: Addresses of operations.
        now: Aware instant.
    """
    on_duty = [t.mail for t in turns if t.level == level and t.mail and t.is_on(now)]
    office = {1: house.clerks, 2: house.leaders}.get(level, ())
    found = [*(on_duty or office), *(operations if level >= LEVELS else ())]
    return tuple(dict.fromkeys(found or operations))


# ---------------------------------------------------------------- the digest


@dataclass(frozen=True, slots=True)
class Today:
    """What lies before an agency at the start of a day (RPT-13), each counted up to a limit."""

    agency: str
    overdue: int = 0
    due_today: int = 0
    tasks_late: int = 0
    tasks_due: int = 0
    waiting: int = 0
    urgent: int = 0
    returned: int = 0
    recalled: int = 0
    todos: int = 0
    alerts: int = 0
    more: Mapping[str, int] = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether nothing is to be done."""
        return not any(
            (
                self.overdue,
                self.due_today,
                self.tasks_late,
                self.tasks_due,
                self.waiting,
                self.returned,
                self.recalled,
                self.todos,
                self.alerts,
            )
        )


TODAY_TEXTS: Final[Mapping[str, tuple[Text, str]]] = MappingProxyType(
    {
        "waiting": (Text("Văn bản đến chờ tiếp nhận", "Waiting to be accepted"), "/incoming"),
        "urgent": (Text("Văn bản khẩn chờ tiếp nhận", "Urgent ones among them"), "/incoming"),
        "tasks_late": (
            Text("Văn bản đến quá hạn giải quyết", "Incoming, past their term"),
            "/incoming?box=due",
        ),
        "tasks_due": (
            Text("Văn bản đến phải giải quyết hôm nay", "Incoming, due today"),
            "/incoming?box=due",
        ),
        "recalled": (Text("Bên gửi yêu cầu thu hồi", "Asked back by the sender"), "/recalls"),
        "overdue": (
            Text("Văn bản đi quá hạn trả lời", "Sent, their answer is overdue"),
            "/outgoing/late",
        ),
        "due_today": (
            Text("Văn bản đi đến hạn trả lời hôm nay", "Sent, to be answered today"),
            "/outgoing/late",
        ),
        "returned": (
            Text("Văn bản đi bị trả lại", "Returned to us"),
            "/outgoing?tab=returned",
        ),
        "todos": (
            Text("Phải gửi bằng hình thức khác, bản giấy", "To be done by other means"),
            "/todo",
        ),
        "alerts": (Text("Cảnh báo", "Alerts"), "/alerts"),
    }
)
"""Rows of the digest: field to text and page."""
