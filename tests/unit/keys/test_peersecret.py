"""A peer's secret: the new one at the next call, the old one where the peer still wants it."""

from datetime import UTC, datetime

import pytest

from gateway import measures
from gateway.errors import ConfigurationError
from gateway.keys.peersecret import ASK_AGAIN, OVERLAP, PeerSecret


class Here:
    def __init__(self, folder):
        self.at = datetime(2026, 3, 2, tzinfo=UTC)
        self.path = folder / "truc.secret"
        self.put("one")
        self.secret = PeerSecret(f"truc-{folder.name}", self.path, lambda: self.at)

    def put(self, text, mode=0o600):
        part = self.path.with_name("part")
        part.write_text(text)
        part.chmod(mode)
        part.replace(self.path)

    def warned(self, how="refused"):
        what = {"what": f"secret of peer {self.secret._peer} {how}"}
        return measures.REGISTRY.get_sample_value("vanlien_standing_warning", what) or 0


@pytest.fixture
def here(tmp_path):
    return Here(tmp_path)


def test_a_changed_file_counts_at_the_next_call_and_the_old_one_follows(here):
    assert here.secret.offered() == (b"one",)
    here.put("two\n")
    assert here.secret.offered() == (b"two", b"one")
    here.secret.worked(b"two")
    assert here.secret.offered() == (b"two",)


def test_a_peer_that_is_later_than_we_is_asked_with_the_old_one_first_for_a_while(here):
    here.put("two")
    here.secret.offered()
    here.secret.refused(b"two")
    here.secret.worked(b"one")
    assert here.warned()
    assert here.secret.offered() == (b"one", b"two")
    here.at += ASK_AGAIN
    assert here.secret.offered() == (b"two", b"one")
    here.secret.worked(b"two")
    assert not here.warned()
    assert here.secret.offered() == (b"two",)


def test_the_old_one_ends(here):
    here.put("two")
    here.secret.offered()
    here.at += OVERLAP
    assert here.secret.offered() == (b"two",)


def test_a_working_old_one_before_the_new_was_tried_changes_nothing(here):
    here.put("two")
    here.secret.offered()
    here.secret.worked(b"one")  # a call that began before
    assert here.secret.offered() == (b"two", b"one")


@pytest.mark.parametrize(("text", "mode"), [("", 0o600), ("a\nb", 0o600), ("two", 0o604)])
def test_an_unusable_file_leaves_the_one_before_and_is_said(here, text, mode):
    here.put(text, mode)
    assert here.secret.offered() == (b"one",)
    assert here.warned("unreadable")
    here.put("three")
    assert here.secret.offered() == (b"three", b"one")
    assert not here.warned("unreadable")


def test_a_file_that_is_gone_leaves_the_one_before(here):
    here.path.unlink()
    assert here.secret.offered() == (b"one",)
    with pytest.raises(ConfigurationError):
        PeerSecret("truc", here.path, lambda: here.at)


def test_the_secret_is_in_no_text_of_it(here):
    assert "one" not in repr(here.secret)
