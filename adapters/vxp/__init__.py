"""The national axis's HTTP dialect (VXP, "XrdAdapter"), both sides; `plugin` is its entry point.

Promises: importing opens nothing. A crash leaves nothing behind: all state is the callers'.
"""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.vxp.client import VxpAdapter
    from gateway.ports import Clock, Facade, Means, SharedSecret


@dataclass(frozen=True, slots=True)
class Plugin:
    """See `gateway.ports.Dialect`."""

    name: str = "vxp"
    path: str = "/XrdAdapter/adapter"

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

    def facade(self, means: "Means") -> "Facade":
        """Return the façade; see `facade.routes`."""
        from adapters.vxp import facade, wire
        from gateway.ports import Facade

        base = means.base or wire.BASE
        routes = facade.routes(
            means.front,
            means.callers,
            means.clock,
            base=base,
            max_bytes=means.max_bytes,
            plain_http_from=means.plain_http_from,
            registrar=means.registrar,
        )
        return Facade(routes, facade.busy)


plugin = Plugin()
