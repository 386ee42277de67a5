"""Provincial axes behind a WSO2 API gateway, both sides; `plugin` is its entry point.

Promises: importing opens nothing. A crash leaves nothing behind: all state is the callers'.
"""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.wso2.client import Wso2Adapter
    from gateway.ports import Clock, Facade, Means, SharedSecret


@dataclass(frozen=True, slots=True)
class Plugin:
    """See `gateway.ports.Dialect`."""

    name: str = "wso2"
    path: str = "/truclienthong/v1.0.0"

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
    ) -> "Wso2Adapter":
        """Return the Adapter to one axis; `options` are the other fields of Wso2Settings."""
        from adapters.wso2.client import Wso2Adapter, Wso2Settings

        settings = Wso2Settings(name, endpoint, system_id, **options)
        return Wso2Adapter(settings, secret, clock, ssl_context=ssl_context)

    def facade(self, means: "Means") -> "Facade":
        """Return the façade; see `facade.facade`. Its routes are below `path` and at `/token`."""
        from adapters.wso2 import facade

        return facade.facade(means)


plugin = Plugin()
