"""Bkav eDoc (provincial axes), REST and SOAP, both sides; `plugin` is its entry point.

Promises: importing opens nothing. A crash leaves nothing behind: all state is the callers'.
"""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.ports import Adapter, Clock, Facade, Means, SharedSecret


@dataclass(frozen=True, slots=True)
class Plugin:
    """See `gateway.ports.Dialect`."""

    name: str = "bkav"
    path: str = "/EdocService"

    def make_client(
        self,
        *,
        name: str,
        endpoint: str,
        system_id: str,
        secret: "bytes | SharedSecret",
        clock: "Clock",
        ssl_context: ssl.SSLContext | None = None,
        variant: str = "rest",
        **options: Any,
    ) -> "Adapter":
        """Return the Adapter to one axis; `options` are the other fields of BkavSettings.

        `variant` is `rest`, `soap11` or `soap12`; for SOAP the endpoint is the service's address.
        """
        from adapters.bkav.client import BkavAdapter, BkavSettings
        from adapters.bkav.soapclient import BkavSoapAdapter

        settings = BkavSettings(name, endpoint, system_id, **options)
        if variant in {"soap11", "soap12"}:
            of_12 = variant == "soap12"
            return BkavSoapAdapter(settings, secret, clock, of_12=of_12, ssl_context=ssl_context)
        return BkavAdapter(settings, secret, clock, ssl_context=ssl_context)

    def facade(self, means: "Means") -> "Facade":
        """Return the façade: the REST operations, and SOAP at the base itself."""
        from adapters.bkav.facade import make

        return make(means)


plugin = Plugin()
