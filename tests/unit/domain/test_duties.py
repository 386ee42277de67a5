"""Tables of duties, and what two reports of integrity prove. Rules: OPS-06, OPS-07, ORG-09."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.domain.duties import (
    DEVICE_ACTS,
    DEVICE_STEPS,
    DEVICE_TEXTS,
    INCIDENT_TEXTS,
    MAINTENANCE_STEPS,
    MAINTENANCE_TEXTS,
    DeviceState,
    IncidentKind,
    Integrity,
    MaintenanceState,
    compared,
    maintenance_due,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
BEFORE = Integrity("a", {"consignment": 3, "delivery": 4}, 10, "aa")
AFTER = Integrity("b", {"consignment": 3, "delivery": 6}, 12, "cc", "aa", 5)


def test_every_state_kind_and_act_has_words():
    assert set(INCIDENT_TEXTS) == set(IncidentKind)
    assert set(MAINTENANCE_TEXTS) == set(MaintenanceState)
    assert set(DEVICE_TEXTS) == set(DeviceState)
    assert {act for _, act in DEVICE_STEPS} == set(DEVICE_ACTS)


def test_a_destroyed_device_and_a_maintenance_done_go_nowhere():
    assert not [s for s, _ in DEVICE_STEPS if s is DeviceState.DESTROYED]
    ended = {MaintenanceState.DONE, MaintenanceState.CANCELLED}
    assert not [s for s, _ in MAINTENANCE_STEPS if s in ended]


def test_maintenance_is_due_after_three_months_and_when_there_never_was_one():
    assert maintenance_due(None, NOW)
    assert not maintenance_due(NOW - timedelta(days=89), NOW)
    assert maintenance_due(NOW - timedelta(days=90), NOW)


def test_two_reports_that_fit_are_good():
    assert all(remark.good for remark in compared(BEFORE, AFTER))


def test_a_lost_row_a_rewritten_log_and_a_wrong_file_are_said_each_by_itself():
    for broken, at in (
        (replace(AFTER, rows={"consignment": 2, "delivery": 6}), 0),
        (replace(AFTER, rows={"delivery": 6}), 0),
        (replace(AFTER, earlier_hash="bb"), 1),
        (replace(AFTER, log_size=9), 1),
        (replace(AFTER, blobs_wrong=("f" * 64,)), 2),
    ):
        remarks = compared(BEFORE, broken)
        assert [n for n, remark in enumerate(remarks) if not remark.good] == [at]


def test_an_empty_log_continues_as_anything():
    empty = Integrity("a", {}, 0, "")
    assert all(remark.good for remark in compared(empty, replace(AFTER, earlier_hash="")))
