from datetime import UTC, datetime, timedelta

import pytest

from gateway.seal.kept import LEVELS, KeptReports

NOW = datetime(2026, 11, 22, tzinfo=UTC)
KEY, OTHER = "ab" * 32, "cd" * 32


@pytest.fixture(name="kept")
def _kept(tmp_path):
    return KeptReports(tmp_path / "reports")


def test_what_is_put_is_got_and_the_better_one_counts(kept, tmp_path):
    assert kept.get(KEY) is None
    kept.put(KEY, "B-B", b"one", NOW)
    assert kept.get(KEY) == (b"one", "B-B")
    kept.put(KEY, "B-T", b"two", NOW)
    kept.put(KEY, "B-LT", b"three", NOW)
    assert kept.get(KEY) == (b"three", "B-LT")
    assert [p.name for p in (tmp_path / "reports").iterdir()] == [f"{KEY}.b-lt.pdf"]
    assert KeptReports(tmp_path / "reports").get(KEY) == (b"three", "B-LT")


def test_who_waits(kept):
    kept.put(KEY, "B-B", b"one", NOW)
    kept.put(OTHER, "B-T", b"two", NOW)
    assert [(one.key, one.level) for one in kept.waiting()] == [(KEY, "B-B"), (OTHER, "B-T")]
    kept.put(KEY, "B-LT", b"done", NOW)
    assert [one.key for one in kept.waiting()] == [OTHER]


def test_a_crash_between_the_better_and_the_lesser_leaves_the_better(kept, tmp_path):
    kept.put(KEY, "B-LT", b"better", NOW)
    (tmp_path / "reports" / f"{KEY}.b-b.pdf").write_bytes(b"lesser")
    assert kept.get(KEY) == (b"better", "B-LT")
    assert kept.waiting() == []


def test_what_is_old_goes_and_what_waits_stays(kept):
    for key, level in ((KEY, "B-LT"), (OTHER, "B-B")):
        kept.put(key, level, b"x", NOW)
    day = timedelta(days=1)
    assert kept.sweep(NOW + 29 * day, 30 * day) == 0
    assert kept.sweep(NOW + 31 * day, 30 * day) == 1
    assert kept.get(KEY) is None
    assert kept.get(OTHER) == (b"x", "B-B")


def test_torn_writes_go_when_nobody_can_be_writing_them(kept, tmp_path):
    torn = tmp_path / "reports" / "aa.part"
    torn.write_bytes(b"half")
    now = datetime.fromtimestamp(torn.stat().st_mtime, UTC)
    kept.sweep(now + timedelta(minutes=5), timedelta(days=30))
    assert torn.exists()
    kept.sweep(now + timedelta(minutes=61), timedelta(days=30))
    assert not torn.exists()


def test_a_write_that_fails_leaves_nothing(kept, tmp_path, monkeypatch):
    kept.put(KEY, "B-B", b"one", NOW)

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        kept.put(KEY, "B-LT", b"two", NOW)
    assert [p.name for p in (tmp_path / "reports").iterdir()] == [f"{KEY}.b-b.pdf"]


def test_levels_are_best_first():
    assert LEVELS == ("B-LT", "B-T", "B-B")
