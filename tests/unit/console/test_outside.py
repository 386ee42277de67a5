"""Only a proxy of ours is believed about who stands behind it."""

import ipaddress

import pytest
from aiohttp.test_utils import make_mocked_request

from gateway.console.outside import address_of, is_secure, look

OURS = [ipaddress.ip_network("10.0.0.0/30")]


class Transport:
    """What a request asks of its connection."""

    def __init__(self, peer):
        self._peer = peer

    def get_extra_info(self, name, default=None):
        return (self._peer, 4711) if name == "peername" else default


def came(peer, proxies=OURS, **headers):
    told = [(name.replace("_", "-"), value) for name, value in headers.items()]
    request = make_mocked_request("GET", "/", told, transport=Transport(peer))
    look(request, proxies)
    return address_of(request), is_secure(request)


@pytest.mark.parametrize(
    ("peer", "chain", "address"),
    [
        ("10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "1.2.3.4, 203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "203.0.113.9, 10.0.0.2", "203.0.113.9"),
        ("::ffff:10.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("203.0.113.9", "1.2.3.4", "203.0.113.9"),
    ],
)
def test_the_address_is_what_the_nearest_proxy_saw(peer, chain, address):
    found, secure = came(peer, X_Forwarded_For=chain, X_Forwarded_Proto="https")
    assert found == address
    assert secure is (peer != "203.0.113.9")


def test_without_proxies_no_header_counts():
    assert came("10.0.0.1", [], X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https") == (
        "10.0.0.1",
        False,
    )
