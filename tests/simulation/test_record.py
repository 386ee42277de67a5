"""The record of a long run: what was played is not played again, what failed is."""

from tests.simulation.player import Job, Played
from tests.simulation.record import Record, told

JOBS = [Job(first, 25) for first in (100, 125, 150)]


def test_a_stopped_run_goes_on_where_it_stood(tmp_path):
    record = Record(tmp_path / "played.jsonl", "abc")
    assert list(record.left(JOBS)) == JOBS
    record.add(Played(JOBS[1], (), {"documents": 40}, 2.0))
    record.add(Played(JOBS[0], ((107, "once"),), {"documents": 50}, 2.0))
    assert list(record.left(JOBS)) == [JOBS[0], JOBS[2]]  # what failed is played again
    assert list(record.left([Job(125, 25, "sqlite")])) == [Job(125, 25, "sqlite")]


def test_a_line_the_machine_stopped_in_is_no_line(tmp_path):
    path = tmp_path / "played.jsonl"
    record = Record(path)
    record.add(Played(JOBS[0], ()))
    with path.open("a") as file:
        file.write('{"first": 125, "cou')
    assert list(record.left(JOBS)) == JOBS[1:]
    record.add(Played(JOBS[1], ()))
    assert list(record.left(JOBS)) == JOBS[2:]


def test_a_record_adds_up_by_ledger_and_label_and_whole(tmp_path):
    path = tmp_path / "played.jsonl"
    Record(path, "abc").add(Played(JOBS[0], ((107, "once"),), {"documents": 50, "crash x": 3}, 2.0))
    Record(path, "def").add(Played(JOBS[0], (), {"documents": 51}, 2.0))
    Record(path, "def").add(Played(JOBS[1], (), {"documents": 9, "ledger-down": 4}, 2.0))
    Record(path, "def").add(Played(Job(7, 5, "sqlite"), (), {"documents": 1}, 1.0))
    sums = {(s.ledger, s.label): s for s in Record(path).sums()}
    assert {key: s.histories for key, s in sums.items()} == {
        ("memory", "abc"): 25,
        ("memory", "def"): 50,
        ("memory", "all"): 75,
        ("sqlite", "def"): 5,
        ("sqlite", "all"): 5,
    }
    text = told(sums["memory", "all"])
    assert "| | memory, seeds 100 to 149 | 75 | 1 |" in text
    assert "110 documents; 0 statuses read by senders; 3 deaths of a node" in text
    assert "4 faults that last" in text
    assert "seed 107 violated 'once'" in text
