"""The national axis's HTTP dialect (VXP, "XrdAdapter"), both sides; `plugin` is its entry point.

Promises: importing opens nothing. A crash leaves nothing behind: all state is the callers'.
"""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from aiohttp import web

    from adapters.vxp.client import VxpAdapter
    from adapters.vxp.facade import Network
    from gateway.ports import Callers, Clock, FrontDoor, SharedSecret


@dataclass(frozen=True, slots=True)
class Plugin:
    """What `gateway.app` finds under the entry-point group "gateway.adapters"."""

    name: str = "vxp"

    def make_client(
        self,
        *,
        name: str,
        endpoint: str,
        system_id: str,
        secret: "bytes | SharedSecret",
        clock: "Clock",
        ssl_context: ssl.SSLContext | None = None,
        **options: Any,
    ) -> "VxpAdapter":
        """Return the Adapter to one axis; `options` are the other fields of VxpSettings."""
        from adapters.vxp.client import VxpAdapter, VxpSettings

        settings = VxpSettings(name, endpoint, system_id, **options)
        return VxpAdapter(settings, secret, clock, ssl_context=ssl_context)

    def routes(
        self,
        front: "FrontDoor",
        callers: "Callers",
        clock: "Clock",
        *,
        max_bytes: int,
        base: str = "/XrdAdapter/adapter",
        plain_http_from: "Sequence[Network] | None" = None,
        max_skew_s: float | None = None,
    ) -> "list[web.RouteDef]":
        """Return the façade's routes; see `facade.routes`."""
        from adapters.vxp import facade

        return facade.routes(
            front,
            callers,
            clock,
            base=base,
            max_bytes=max_bytes,
            plain_http_from=plain_http_from,
            max_skew_s=max_skew_s,
        )


plugin = Plugin()
