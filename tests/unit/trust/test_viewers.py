import pytest

from gateway.trust import look, viewers
from gateway.trust.guards import raw_signatures
from gateway.trust.viewers import Viewers
from tests.world import signed_files as world
from tests.world.signed_files import letter, once, twice

needs_poppler = pytest.mark.skipif(not viewers.installed(), reason="Poppler is not installed")


def end_of(data: bytes) -> int:
    return raw_signatures(data)[0].end


@needs_poppler
def test_both_see_a_page_drawn_over():
    data = world.overlaid(once())
    opinion = Viewers(data).opinion(end_of(data))
    assert (opinion.alike, opinion.disagree, opinion.second) == (False, False, True)


@needs_poppler
@pytest.mark.parametrize("data", [twice(), world.catalogue_entry_added(once())])
def test_both_see_that_nothing_visible_changed(data):
    opinion = Viewers(data).opinion(end_of(data))
    assert (opinion.alike, opinion.disagree, opinion.second) == (True, False, True)


@needs_poppler
def test_what_only_one_opens_is_a_disagreement(monkeypatch):
    data = world.catalogue_entry_added(once())
    monkeypatch.setattr(viewers, "_run", lambda *_: None)
    assert Viewers(data).opinion(end_of(data)).disagree


@needs_poppler
def test_what_one_sees_changed_and_the_other_does_not_is_a_disagreement(monkeypatch):
    data = world.overlaid(once())
    monkeypatch.setattr(look, "same_look", lambda *_: True)
    opinion = Viewers(data).opinion(end_of(data))
    assert (opinion.alike, opinion.disagree) == (False, True)


@needs_poppler
def test_other_letters_are_a_disagreement(monkeypatch):
    data = letter()
    monkeypatch.setattr(look, "page_text", lambda _: (1, "KHÁC HẲN " * 20))
    assert Viewers(data).opinion(None).disagree


@needs_poppler
def test_another_number_of_pages_is_a_disagreement(monkeypatch):
    data = letter()
    monkeypatch.setattr(look, "page_text", lambda _: (7, ""))
    assert Viewers(data).opinion(None).disagree


def test_without_poppler_only_the_first_is_asked(monkeypatch):
    monkeypatch.setattr(viewers, "_tools", lambda: None)
    data = world.overlaid(once())
    opinion = Viewers(data).opinion(end_of(data))
    assert (opinion.alike, opinion.disagree, opinion.second) == (False, False, False)


def test_a_tool_that_hangs_fails_or_floods_is_stopped(monkeypatch):
    monkeypatch.setattr(viewers, "_WALL_S", 0.3)
    assert viewers._run(["/bin/sleep", "60"], b"x") is None
    assert viewers._run(["/bin/false"], b"x" * (1 << 20)) is None
    assert viewers._run(["/no/such/tool"], b"") is None
    monkeypatch.setattr(viewers, "_MAX_OUTPUT", 1000)
    assert viewers._run(["/usr/bin/yes"], b"") is None
    assert viewers._run(["/bin/cat"], b"abc") == b"abc"


def test_answers_are_remembered(monkeypatch):
    data = world.overlaid(once())
    first = look.compared(data, end_of(data))
    assert first.pages == (1,)
    monkeypatch.setattr(look, "_compared", lambda *_: pytest.fail("asked twice"))
    assert look.compared(data, end_of(data)) is first
