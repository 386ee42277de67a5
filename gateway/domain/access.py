"""Who may do what: roles, rights, and the agencies for which they hold.

Promises: a right is had only through a role granted for an agency, or for the whole gateway where
the role is one of the gateway; a grant outside its dates gives nothing; nothing is had by being
signed in. The table is the whole truth: no page and no program knows roles, they ask for rights.
Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.domain.machine import Text

EVERYWHERE: Final = ""
"""The agency of a grant that holds for the whole gateway."""


class Role(StrEnum):
    """Roles (vai trò) of rules C11 that a person can have; `system` is a machine's."""

    CLERK = "clerk"
    LEADER = "leader"
    UNIT_LEADER = "unit_leader"
    OFFICE_HEAD = "office_head"
    OFFICER = "officer"
    TASK_TRACKER = "task_tracker"
    RECEPTION = "reception"
    INSPECTOR = "inspector"
    UNIT_ADMIN = "unit_admin"
    SYS_ADMIN = "sys_admin"
    PROVIDER_OPS = "provider_ops"
    ARCHIVE = "archive"
    AUDITOR = "auditor"


class Right(StrEnum):
    """One thing that can be allowed."""

    READ = "read"  # documents, received and sent, of the agency
    READ_OWN = "read-own"  # documents the person drafted or was assigned (SND-09)
    RECEIVE = "receive"  # check, accept, refuse, register (RCV-01…RCV-04)
    PROCESS = "process"  # statuses 04…06 by hand
    SEND = "send"  # issue by form
    DRAFT = "draft"  # prepare a form that somebody else issues
    RECALL = "recall"  # REC-03: take back, replace
    HOLD = "hold"  # REC-08: legal hold
    REGISTERS = "registers"  # C8, printed
    STATISTICS = "statistics"  # RPT-*
    ALERTS = "alerts"  # see and acknowledge alerts of the agency
    OPERATE = "operate"  # queues, dead letters, holds, drain
    SEE_OPERATIONS = "see-operations"  # the same, reading only
    CONFIGURE = "configure"  # agencies, calendar, office hours of all
    OFFICE_HOURS = "office-hours"  # office hours of the agency (TIM-04)
    DUTIES = "duties"  # incidents, maintenance, entries after an outage, key devices
    ACCOUNTS = "accounts"  # accounts and grants of the agency
    ADMINISTER = "administer"  # accounts and grants of everybody
    AUDIT = "audit"  # read the audit log


_AGENCY_READER: Final = frozenset({Right.READ, Right.REGISTERS, Right.STATISTICS})

RIGHTS: Final[Mapping[Role, frozenset[Right]]] = MappingProxyType(
    {
        Role.CLERK: _AGENCY_READER
        | {Right.RECEIVE, Right.PROCESS, Right.SEND, Right.DRAFT, Right.RECALL, Right.ALERTS}
        | {Right.DUTIES},
        Role.LEADER: _AGENCY_READER
        | {Right.PROCESS, Right.DRAFT, Right.RECALL, Right.HOLD, Right.ALERTS},
        Role.UNIT_LEADER: frozenset({Right.READ, Right.PROCESS, Right.DRAFT}),
        Role.OFFICE_HEAD: _AGENCY_READER | {Right.PROCESS, Right.DRAFT, Right.ALERTS},
        Role.OFFICER: frozenset({Right.READ_OWN, Right.PROCESS, Right.DRAFT}),
        Role.TASK_TRACKER: frozenset({Right.READ, Right.STATISTICS}),
        Role.RECEPTION: frozenset({Right.READ_OWN, Right.DRAFT}),
        Role.INSPECTOR: frozenset({Right.STATISTICS, Right.AUDIT}),
        # ACC-11 (S002 art 16.1): the unit's IT officer supports under a name of its own, and reads
        # no document; nobody works under another's account.
        Role.UNIT_ADMIN: frozenset({Right.ACCOUNTS, Right.OFFICE_HOURS, Right.DUTIES}),
        Role.SYS_ADMIN: frozenset(
            {
                Right.ADMINISTER,
                Right.CONFIGURE,
                Right.SEE_OPERATIONS,
                Right.OFFICE_HOURS,
                Right.DUTIES,
            }
        ),
        Role.PROVIDER_OPS: frozenset(
            {Right.OPERATE, Right.SEE_OPERATIONS, Right.ALERTS, Right.DUTIES}
        ),
        Role.ARCHIVE: frozenset({Right.READ, Right.REGISTERS, Right.HOLD}),
        Role.AUDITOR: frozenset({Right.AUDIT, Right.STATISTICS, Right.SEE_OPERATIONS}),
    }
)
"""ACC-06: least privilege: what a role does not need for its work of rules C11 it has not."""

INHERITED: Final = frozenset(
    {Right.READ, Right.REGISTERS, Right.STATISTICS, Right.RECALL, Right.HOLD}
)
"""ID-05, REC-06: what who works for the one successor of a closed agency may do for it: read what
it had, in lists, search, registers and figures; take its documents back, give back, hold. What it
received is accepted or handled under its closed code by nobody any more: what was not answered is
taken over into the successor's register, by who may receive there (decision 0041). Where an agency
was split, nobody inherits: an administrator grants by hand."""

GATEWAY_ROLES: Final = frozenset({Role.SYS_ADMIN, Role.PROVIDER_OPS, Role.AUDITOR, Role.INSPECTOR})
"""Roles that may be granted for the whole gateway; all others need an agency."""

ROLE_TEXTS: Final[Mapping[Role, Text]] = MappingProxyType(
    {
        Role.CLERK: Text("Văn thư cơ quan", "Clerk"),
        Role.LEADER: Text("Lãnh đạo cơ quan", "Leader of the agency"),
        Role.UNIT_LEADER: Text("Lãnh đạo phòng, đơn vị", "Leader of a unit"),
        Role.OFFICE_HEAD: Text("Chánh, Phó Văn phòng", "Head of the office"),
        Role.OFFICER: Text("Chuyên viên", "Officer"),
        Role.TASK_TRACKER: Text("Chuyên viên theo dõi nhiệm vụ", "Task tracker"),
        Role.RECEPTION: Text("Cán bộ tiếp công dân", "Citizens' reception"),
        Role.INSPECTOR: Text("Thanh tra", "Inspector"),
        Role.UNIT_ADMIN: Text("Quản trị đơn vị", "Administrator of a unit"),
        Role.SYS_ADMIN: Text("Quản trị hệ thống", "System administrator"),
        Role.PROVIDER_OPS: Text("Đơn vị cung cấp, vận hành hệ thống", "Operations"),
        Role.ARCHIVE: Text("Lưu trữ", "Archive"),
        Role.AUDITOR: Text("Kiểm tra, giám sát", "Auditor"),
    }
)


RIGHT_TEXTS: Final[Mapping[Right, Text]] = MappingProxyType(
    {
        Right.READ: Text("Xem văn bản của cơ quan", "Read the agency's documents"),
        Right.READ_OWN: Text("Xem văn bản mình soạn, được giao", "Read one's own documents"),
        Right.RECEIVE: Text("Tiếp nhận, đăng ký, từ chối", "Receive, register, refuse"),
        Right.PROCESS: Text("Cập nhật trạng thái xử lý", "Set the state of processing"),
        Right.SEND: Text("Phát hành, gửi văn bản", "Issue and send documents"),
        Right.DRAFT: Text("Soạn văn bản", "Draft documents"),
        Right.RECALL: Text("Thu hồi, thay thế", "Recall, replace"),
        Right.HOLD: Text("Giữ pháp lý", "Legal hold"),
        Right.REGISTERS: Text("Sổ đăng ký văn bản", "Registers"),
        Right.STATISTICS: Text("Thống kê", "Statistics"),
        Right.ALERTS: Text("Xem, xác nhận cảnh báo", "See and acknowledge alerts"),
        Right.OPERATE: Text("Vận hành hàng đợi", "Operate the queues"),
        Right.SEE_OPERATIONS: Text("Xem vận hành", "See operations"),
        Right.CONFIGURE: Text("Cấu hình", "Configure"),
        Right.OFFICE_HOURS: Text("Giờ làm việc của cơ quan", "Office hours of the agency"),
        Right.DUTIES: Text(
            "Bảo trì, sự cố, nhập bù, thiết bị khóa", "Maintenance, incidents, key devices"
        ),
        Right.ACCOUNTS: Text("Quản trị tài khoản của cơ quan", "Accounts of the agency"),
        Right.ADMINISTER: Text("Quản trị mọi tài khoản", "All accounts"),
        Right.AUDIT: Text("Xem nhật ký", "Read the audit log"),
    }
)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role for an agency.

    Args:
        role: The role.
        agency: Canonical code, `EVERYWHERE` for the whole gateway.
        valid_from: Aware instant from which it holds; None: always did.
        valid_to: Aware instant from which it holds no more; None: no end.
        delegated_by: Account that delegated it (ACC-10), "" for a grant of its own.
    """

    role: Role
    agency: str
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    delegated_by: str = ""

    def holds(self, at: datetime) -> bool:
        """Return whether it holds at an aware instant; the end is exclusive."""
        began = self.valid_from is None or self.valid_from <= at
        return began and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody signed in, as far as rights go; grants are those that hold now.

    Args:
        account_id: The account.
        login: What is typed at sign-in; shown beside the name in the audit log.
        name: Full name.
        grants: What was granted and holds.
        session_id: The session, "" outside one.
        strong: Whether a second factor was given in this session.
        fresh: Whether that was a short while ago.
        inherited: The same roles for closed agencies that theirs took over from, as far as
            `INHERITED` goes; never lent, never granted on.
    """

    account_id: str
    login: str
    name: str
    grants: tuple[Grant, ...] = ()
    session_id: str = ""
    strong: bool = False
    inherited: tuple[Grant, ...] = ()
    fresh: bool = False

    def may(self, right: Right, agency: str = EVERYWHERE) -> bool:
        """Return whether this person has a right for an agency.

        A right for the whole gateway is one for every agency; asked for `EVERYWHERE`, only that
        one counts.
        """
        own = any(right in RIGHTS[g.role] and g.agency in {agency, EVERYWHERE} for g in self.grants)
        return own or (agency != EVERYWHERE and agency in self._inherits(right))

    def _inherits(self, *rights: Right) -> frozenset[str]:
        asked = INHERITED.intersection(rights)
        return frozenset(g.agency for g in self.inherited if not asked.isdisjoint(RIGHTS[g.role]))

    def may_anywhere(self, right: Right) -> bool:
        """Return whether the right is had for at least one agency: enough to see a page at all."""
        return any(right in RIGHTS[g.role] for g in self.grants)

    def agencies(self, *rights: Right) -> frozenset[str]:
        """Return the agencies for which any of the rights is had; EVERYWHERE among them for all."""
        own = {g.agency for g in self.grants if not RIGHTS[g.role].isdisjoint(rights)}
        return self._inherits(*rights) | own

    def mine(self, *rights: Right) -> list[str]:
        """Return the agencies by code, the person's own before those it inherited."""
        inherited = self._inherits(*rights)
        own = {g.agency for g in self.grants if not RIGHTS[g.role].isdisjoint(rights)}
        return [*sorted(own - {EVERYWHERE}), *sorted(inherited - own)]


def roles_with(right: Right) -> tuple[Role, ...]:
    """Return the roles that have a right, in the order of the table."""
    return tuple(role for role, rights in RIGHTS.items() if right in rights)


def refused_grants(grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """Return the grants nobody may have: an agency's role without an agency (ACC-06)."""
    return tuple(g for g in grants if g.agency == EVERYWHERE and g.role not in GATEWAY_ROLES)
