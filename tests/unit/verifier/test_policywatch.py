"""The policy as a running gateway follows it."""

import pytest

from gateway import observe
from gateway.errors import ConfigurationError
from gateway.trust.policy import BUILT_IN
from gateway.verifier.policywatch import PolicyWatch

GOOD = 'name = "{}"\ndated = 2026-11-22\n'


@pytest.fixture
def alarms(monkeypatch):
    found = []
    monkeypatch.setattr(observe, "alarm", lambda **facts: found.append(facts))
    return found


def test_without_a_file_the_built_in_counts(tmp_path, alarms):
    assert PolicyWatch(tmp_path)() is BUILT_IN
    assert PolicyWatch(tmp_path / "none")() is BUILT_IN
    assert alarms == []


def test_a_change_counts_from_the_next_document_on(tmp_path, alarms):
    watch = PolicyWatch(tmp_path)
    (tmp_path / "policy.toml").write_text(GOOD.format("một"))
    assert watch().name == "một"
    assert watch() is watch()
    (tmp_path / "policy.toml").write_text(GOOD.format("hai ba"))
    assert watch().name == "hai ba"
    (tmp_path / "policy.toml").unlink()
    assert watch() is BUILT_IN
    assert alarms == []


def test_a_gateway_does_not_start_with_a_broken_one(tmp_path):
    (tmp_path / "policy.toml").write_text("name = 1\nwhat = 2\n")
    with pytest.raises(ConfigurationError) as caught:
        PolicyWatch(tmp_path)
    assert len(caught.value.faults) == 3
    assert all(f.vi and f.en for f in caught.value.faults)


def test_a_file_that_breaks_meanwhile_changes_nothing_and_is_said_once(tmp_path, alarms):
    (tmp_path / "policy.toml").write_text(GOOD.format("một"))
    watch = PolicyWatch(tmp_path)
    (tmp_path / "policy.toml").write_text("name = ")
    assert watch().name == "một"
    assert watch().name == "một"
    assert [a["what"] for a in alarms] == ["trust policy"]
    (tmp_path / "policy.toml").write_text(GOOD.format("mended"))
    assert watch().name == "mended"


def test_a_file_that_cannot_be_read_is_no_absent_file(tmp_path):
    (tmp_path / "policy.toml").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigurationError):
        PolicyWatch(tmp_path)
