"""Dialects are found by their entry points; one that is broken stands in nobody's way."""

from importlib.metadata import EntryPoint

import pytest

from gateway import dialects
from gateway.errors import ConfigurationError


@pytest.fixture
def broken(monkeypatch):
    found = dialects._installed() | {
        "la": EntryPoint("la", "nobody_has_this:plugin", dialects.GROUP),
        "rong": EntryPoint("rong", "adapters.vxp:nothing", dialects.GROUP),
    }
    monkeypatch.setattr(dialects, "_installed", lambda: found)


def test_the_house_speaks_four():
    assert {"bkav", "langson", "vxp", "wso2"} <= set(dialects.names())
    for name in ("bkav", "langson", "vxp", "wso2"):
        assert dialects.dialect(name).name == name


def test_a_broken_one_is_told_by_its_name_and_harms_no_other(broken):
    assert dialects.dialect("vxp").name == "vxp"
    for name in ("la", "rong"):
        with pytest.raises(ConfigurationError, match=f"{name!r} cannot be loaded"):
            dialects.dialect(name)


def test_one_that_is_not_there(broken):
    with pytest.raises(ConfigurationError, match="not installed; there are: bkav, la, "):
        dialects.dialect("khong-co")
