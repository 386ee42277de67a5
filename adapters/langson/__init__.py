"""The Lạng Sơn provincial axis's dialect, both forms, both sides; `plugin` is its entry point.

Promises: importing opens nothing. A crash leaves nothing behind: all state is the callers'.
"""

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adapters.langson.client import LangsonAdapter
    from gateway.ports import Clock, Facade, Means, SharedSecret


@dataclass(frozen=True, slots=True)
class Plugin:
    """See `gateway.ports.Dialect`."""

    name: str = "langson"
    path: str = ""

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
    ) -> "LangsonAdapter":
        """Return the Adapter to one axis; `options` are the other fields of LangsonSettings."""
        from adapters.langson.client import LangsonAdapter, LangsonSettings

        settings = LangsonSettings(name, endpoint, system_id, **options)
        return LangsonAdapter(settings, secret, clock, ssl_context=ssl_context)

    def facade(self, means: "Means") -> "Facade":
        """Return the façade of both forms; see `facade.routes`."""
        from adapters.langson import facade
        from gateway.ports import Facade

        return Facade(facade.routes(means), facade.busy(means))


plugin = Plugin()
