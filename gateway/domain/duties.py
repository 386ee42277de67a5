"""Duties around the traffic: incidents, maintenance, entries after an outage, key devices.

Their kinds and states as tables with texts, and what a report of integrity proves. Pure.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.machine import Text

MAINTENANCE_EVERY: Final = timedelta(days=90)
"""OPS-07 (S002 art 10.2đ): maintenance at least every three months."""


class IncidentKind(StrEnum):
    """What went wrong (OPS-09)."""

    OUTAGE = "outage"
    PEER = "peer"
    INTEGRITY = "integrity"
    SECURITY = "security"
    ACCOUNT = "account"
    KEY = "key"
    IRREGULAR = "irregular"
    OTHER = "other"


INCIDENT_TEXTS: Final[Mapping[IncidentKind, Text]] = MappingProxyType(
    {
        IncidentKind.OUTAGE: Text("Hệ thống gián đoạn", "Outage of the system"),
        IncidentKind.PEER: Text("Trục, bên liên thông gián đoạn", "Outage of an axis or a partner"),
        IncidentKind.INTEGRITY: Text("Sai lệch dữ liệu", "Damaged data"),
        IncidentKind.SECURITY: Text("Mất an toàn thông tin", "Breach of security"),
        IncidentKind.ACCOUNT: Text("Mất quyền kiểm soát tài khoản", "Lost control of an account"),
        IncidentKind.KEY: Text("Mất, hỏng thiết bị lưu khóa bí mật", "Lost or broken key device"),
        IncidentKind.IRREGULAR: Text("Văn bản có dấu hiệu bất thường", "Irregular document"),
        IncidentKind.OTHER: Text("Khác", "Other"),
    }
)


class MaintenanceState(StrEnum):
    """How far a maintenance is."""

    ANNOUNCED = "announced"
    RUNNING = "running"
    DONE = "done"
    CANCELLED = "cancelled"


MAINTENANCE_TEXTS: Final[Mapping[MaintenanceState, Text]] = MappingProxyType(
    {
        MaintenanceState.ANNOUNCED: Text("đã thông báo", "announced"),
        MaintenanceState.RUNNING: Text("đang thực hiện", "under way"),
        MaintenanceState.DONE: Text("đã xong", "done"),
        MaintenanceState.CANCELLED: Text("đã hủy", "cancelled"),
    }
)

# OPS-06 (S003 art 21.3): announced first; a report before the work and one after it.
MAINTENANCE_STEPS: Final[Mapping[tuple[MaintenanceState, str], MaintenanceState]] = (
    MappingProxyType(
        {
            (MaintenanceState.ANNOUNCED, "begin"): MaintenanceState.RUNNING,
            (MaintenanceState.ANNOUNCED, "cancel"): MaintenanceState.CANCELLED,
            (MaintenanceState.RUNNING, "finish"): MaintenanceState.DONE,
        }
    )
)


NOTICE_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "announce": Text("Thông báo bảo trì", "Maintenance is announced"),
        "begin": Text("Bắt đầu bảo trì", "Maintenance begins"),
        "finish": Text("Đã xong bảo trì", "Maintenance is over"),
        "cancel": Text("Hủy đợt bảo trì", "Maintenance is called off"),
    }
)
"""What units are told at each step (OPS-06)."""

WAY_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "mail": Text("thư điện tử", "mail"),
        "feed": Text("hệ thống đọc luồng sự kiện", "read by the system in its events"),
        "webhook": Text("webhook của hệ thống", "webhook of the system"),
    }
)
TELLING_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "owed": Text("chờ gửi", "to be told"),
        "told": Text("đã nhận", "told"),
        "dead": Text("KHÔNG gửi được", "could NOT be told"),
        "over": Text("không cần nữa", "not needed any more"),
    }
)


class DeviceState(StrEnum):
    """Where a device with a secret key is (ORG-09)."""

    HELD = "held"
    RETURNED = "returned"
    LOST = "lost"
    DESTROYED = "destroyed"


DEVICE_TEXTS: Final[Mapping[DeviceState, Text]] = MappingProxyType(
    {
        DeviceState.HELD: Text("đang giữ", "held"),
        DeviceState.RETURNED: Text("đã nộp lại", "handed back"),
        DeviceState.LOST: Text("báo mất", "lost"),
        DeviceState.DESTROYED: Text("đã hủy", "destroyed"),
    }
)

DEVICE_STEPS: Final[Mapping[tuple[DeviceState, str], DeviceState]] = MappingProxyType(
    {
        (DeviceState.HELD, "hand-over"): DeviceState.HELD,
        (DeviceState.HELD, "return"): DeviceState.RETURNED,
        (DeviceState.HELD, "lose"): DeviceState.LOST,
        (DeviceState.RETURNED, "hand-over"): DeviceState.HELD,
        (DeviceState.RETURNED, "lose"): DeviceState.LOST,
        (DeviceState.RETURNED, "destroy"): DeviceState.DESTROYED,
        (DeviceState.LOST, "destroy"): DeviceState.DESTROYED,
        (DeviceState.LOST, "return"): DeviceState.RETURNED,
    }
)

TABLE_TEXTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "consignment": Text("Văn bản đi", "Documents sent"),
        "delivery": Text("Nơi nhận của văn bản đi", "Recipients of documents sent"),
        "arrival": Text("Văn bản đến", "Documents received"),
        "receipt_entry": Text("Mục hồi báo, kể cả mục chờ", "Receipt entries, waiting ones too"),
        "verification": Text("Kết quả kiểm tra chữ ký", "Verdicts on signatures"),
        "counter": Text("Sổ đếm số", "Counters"),
    }
)

DEVICE_ACTS: Final[Mapping[str, Text]] = MappingProxyType(
    {
        "hand-over": Text("Giao cho người khác", "Hand over"),
        "return": Text("Nhận lại", "Take back"),
        "lose": Text("Báo mất", "Report as lost"),
        "destroy": Text("Hủy", "Destroy"),
    }
)


def maintenance_due(last_done: datetime | None, now: datetime) -> bool:
    """Return whether maintenance is due (OPS-07); one never done is."""
    return last_done is None or now - last_done >= MAINTENANCE_EVERY


# ---------------------------------------------------------------- integrity


@dataclass(frozen=True, slots=True)
class Integrity:
    """What the ledger and the blobs are at one moment.

    Args:
        at: ISO 8601 instant.
        rows: Table to its number of rows; only tables from which nothing is ever removed.
        log_size: Entries of the receipt log.
        log_hash: Chain hash of its last entry, hex; "" for an empty log.
        earlier_hash: Chain hash, now, of the entry that was the last one before; "" without one.
        blobs_checked: How many files of recent documents were read and hashed again.
        blobs_wrong: Digests of those that are missing or not what their name says.
    """

    at: str
    rows: Mapping[str, int]
    log_size: int
    log_hash: str
    earlier_hash: str = ""
    blobs_checked: int = 0
    blobs_wrong: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Remark:
    """One result of comparing two reports: whether it is good, and what it says."""

    good: bool
    vi: str
    en: str


def compared(before: Integrity, after: Integrity) -> tuple[Remark, ...]:
    """Return what two reports prove together (OPS-06): nothing removed, nothing rewritten."""
    lost = {n: k - after.rows.get(n, 0) for n, k in before.rows.items() if after.rows.get(n, 0) < k}
    remarks = [
        Remark(
            not lost,
            "Không bảng nào mất dòng"
            if not lost
            else "Mất dòng: " + ", ".join(f"{n} ({k})" for n, k in sorted(lost.items())),
            "No table lost a row"
            if not lost
            else "Rows lost: " + ", ".join(f"{n} ({k})" for n, k in sorted(lost.items())),
        )
    ]
    same = after.log_size >= before.log_size and after.earlier_hash == before.log_hash
    remarks.append(
        Remark(
            same,
            "Nhật ký hồi báo nguyên vẹn, nối tiếp đúng chuỗi băm trước bảo trì"
            if same
            else "Nhật ký hồi báo KHÔNG nối tiếp chuỗi băm trước bảo trì",
            "The receipt log continues the chain of hashes there was before"
            if same
            else "The receipt log does NOT continue the chain there was before",
        )
    )
    wrong = len(after.blobs_wrong)
    remarks.append(
        Remark(
            not wrong,
            f"Đã đọc lại {after.blobs_checked} gói tin, {wrong} gói sai"
            if after.blobs_checked
            else "Bảy ngày qua không có gói tin nào để đọc lại",
            f"{after.blobs_checked} packets read again, {wrong} of them wrong"
            if after.blobs_checked
            else "No packet of the last seven days to read again",
        )
    )
    return tuple(remarks)
