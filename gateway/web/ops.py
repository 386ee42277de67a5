"""`/live`, `/ready`, `/metrics`, `/openapi.json`: for orchestrators and operations, no credentials.

They answer also when everything else is full. No ids of documents, no names.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime

from aiohttp import web

from gateway import measures, observe
from gateway.ports import Caller, Clock, Desk
from gateway.web import models
from gateway.web.routes import Answer, Endpoint, json_response


class Ops:
    """Handlers of the root."""

    def __init__(self, desk: Desk, clock: Clock) -> None:
        self._desk = desk
        self._clock = clock
        self._render: Callable[[], bytes] = bytes
        self._document = b""
        self._etag = ""
        self.leaving = ""

    def publish(self, render: Callable[[], bytes]) -> None:
        """Set what makes the OpenAPI document; it is made when first asked for."""
        self._render = render
        self._document = b""

    async def live(self, _: web.Request, __: Caller) -> web.Response:
        """Say that the process runs."""
        return json_response({"live": True, "at": _local(self._clock.now())})

    async def ready(self, _: web.Request, __: Caller) -> web.Response:
        """Say whether documents can be taken."""
        try:
            checks: Mapping[str, str] = await self._desk.ready()
        except Exception as failure:  # noqa: BLE001  a broken check is an answer, not an error
            observe.alarm(what="readiness", failure=failure)
            checks = {"checks": "failed"}
        if self.leaving:
            checks = {**checks, "server": self.leaving}
        # "ok (off: stamping held)": said, not failed; documents can be taken (TIM-01).
        good = all(f"{outcome} ".startswith("ok ") for outcome in checks.values())
        return json_response({"ready": good, "checks": dict(checks)}, 200 if good else 503)

    async def metrics(self, _: web.Request, __: Caller) -> web.Response:
        """Return counters, and gauges as of now; counters alone when the gauges cannot be had."""
        try:
            gauges: Mapping[str, float] = await self._desk.metrics()
        except Exception as failure:  # noqa: BLE001  counters matter most when something is broken
            observe.alarm(what="gauges", failure=failure)
            gauges = {}
        return web.Response(
            body=measures.render(gauges),
            headers={"Content-Type": measures.CONTENT_TYPE},
        )

    async def openapi(self, request: web.Request, _: Caller) -> web.Response:
        """Return the OpenAPI document."""
        if not self._document:
            self._document = self._render()
            self._etag = f'"{hashlib.sha256(self._document).hexdigest()[:32]}"'
        headers = {"ETag": self._etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == self._etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=self._document, headers=headers, content_type="application/json")

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        rows = (
            ("/live", "live", "Tiến trình đang chạy", "The process runs", self.live,
             (Answer(200, "Đang chạy", "Alive", models.Live),)),
            ("/ready", "ready", "Sẵn sàng nhận văn bản", "Documents can be taken", self.ready,
             (Answer(200, "Sẵn sàng", "Ready", models.Ready),
              Answer(503, "Chưa sẵn sàng", "Not ready", models.Ready))),
            ("/metrics", "metrics", "Số đo cho Prometheus", "Measures for Prometheus",
             self.metrics, (Answer(200, "Số đo", "Measures", None, "text/plain"),)),
            ("/openapi.json", "openapi", "Tài liệu này", "This document", self.openapi,
             (Answer(200, "OpenAPI 3.1", "OpenAPI 3.1", None, "application/json", ("ETag",)),
              Answer(304, "Không đổi", "Not changed", headers=("ETag",)))),
        )  # fmt: skip
        return tuple(
            Endpoint("GET", path, name, "operations", vi, en, handler, answers, open=True)
            for path, name, vi, en, handler, answers in rows
        )


def _local(at: datetime) -> str:
    return at.astimezone(observe.VIETNAM).isoformat(timespec="milliseconds")
