"""The doors: which addresses are listened on, and which dialects are spoken behind each.

One listener for the API, the façades and the console; one each for old clients that speak plain
HTTP from listed ranges. Keeps nothing: a crash leaves nothing behind.
"""

import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from aiohttp import web

from adapters.shared.serving import only_from
from gateway import observe
from gateway.brokers import agencies_outside, asyncapi_of
from gateway.config import Settings
from gateway.dialects import dialect
from gateway.errors import ConfigurationError, Fault, GatewayError
from gateway.ports import Facade, Ids, Means
from gateway.web.body import Limits
from gateway.web.server import Running, listen, make_facade_app


def limits_of(settings: Settings) -> Limits:
    """Return what a listener takes at once."""
    http = settings.http
    return Limits(
        max_packet_bytes=int(http.max_packet_bytes),
        in_flight=http.max_in_flight,
        in_flight_per_caller=max(8, http.max_in_flight * 3 // 4),
        coming_bytes=int(http.max_coming_bytes),
        streams=http.max_streams,
        streams_per_caller=http.max_streams_per_caller,
    )


def facades_of(wanted: Sequence[str], settings: Settings, means: Means) -> list[Facade]:
    """Return the façades of these dialects, each once."""
    bases = {"wso2": settings.http.wso2_base}
    return [
        dialect(name).facade(replace(means, base=bases.get(name, "")))
        for name in dict.fromkeys(wanted)
    ]


def asyncapi_routes(settings: Settings) -> list[web.RouteDef]:
    """Return the address of what is said over RabbitMQ, where agencies come by it."""
    if not agencies_outside(settings):
        return []
    body = asyncapi_of(settings)

    async def show(_: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    return [web.get("/asyncapi.json", show)]


async def listen_plainly(settings: Settings, ids: Ids, means: Means) -> AsyncIterator[Running]:
    """Open the listeners of old clients, one after the other.

    Raises:
        ConfigurationError: One cannot be listened on.
    """
    limits = limits_of(settings)
    for index, plain in enumerate(settings.http.plain_facades):
        # Old clients speak plain HTTP inside the VPN: only from listed ranges, and it is said.
        networks = tuple(plain.networks)
        facades = facades_of(plain.facades, settings, replace(means, plain_http_from=networks))
        app = make_facade_app(
            ids,
            [route for facade in facades for route in facade.routes],
            limits=limits,
            middlewares=[only_from(networks)],
            busy=busy_of(facades),
        )
        with bound(f"http.plain_facade[{index}]", plain.host, plain.port):
            running = await listen(app, plain.host, plain.port, limits=limits)
        observe.plain_listener_warning(port=running.port, ranges=len(networks))
        yield running


def busy_of(facades: Sequence[Facade]) -> Callable[[web.Request, GatewayError], Any]:
    """Return how these doors say that there is no room: the one whose request it is."""

    def busy(request: web.Request, error: GatewayError) -> web.StreamResponse | None:
        answers = (facade.busy(request, error) for facade in facades)
        return next((answer for answer in answers if answer is not None), None)

    return busy


@contextmanager
def bound(where: str, host: str, port: int) -> Iterator[None]:
    """Name the setting behind an address that cannot be listened on.

    Raises:
        ConfigurationError: It cannot.
    """
    try:
        yield
    except OSError as exc:
        told = f"{host}:{port}: {os.strerror(exc.errno) if exc.errno else exc}"
        raise ConfigurationError(
            f"{where}: cannot listen on {told}",
            (Fault(where, f"không lắng nghe được trên {told}", f"cannot listen on {told}"),),
        ) from exc
