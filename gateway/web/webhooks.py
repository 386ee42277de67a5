"""`/api/v1/webhooks`: a system's own subscriptions, as `vanlien webhook` has them.

A secret is shown once, when it is made. What another system has does not exist here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.moments import iso, iso_or_none
from gateway.ports import Caller, Posted, Webhook, WebhookCall, Webhooks
from gateway.web.body import Body, Limits
from gateway.web.metadata import Named, read_json
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import (
    API,
    LIMIT,
    Answer,
    Endpoint,
    Query,
    flag,
    found_by_id,
    json_response,
    path_id,
    read_query,
)

_ONE: Final = f"{API}/webhooks/{{id}}"
_CURSOR_MAX: Final = 2**63 - 1
_DEAD: Final = Query(
    "dead",
    {"type": "boolean", "default": False},
    "Chỉ những sự kiện đã thôi thử",
    "Only those given up",
    flag,
    False,
)


class _In(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)


class WebhookIn(_In):
    """Webhook mới: where messages go, and which kinds (none: all)."""

    url: str = Field(min_length=1, max_length=1000, examples=["https://qlvb.example.vn/su-kien"])
    kinds: list[str] = Field([], max_length=100, examples=[["inbox.*", "delivery.failed"]])


class RotateIn(_In):
    """Đổi khóa: both secrets sign for so many hours."""

    overlap_hours: float = Field(24.0, ge=0, le=24 * 30)


class ReasonIn(_In):
    """Lý do: kept on record."""

    reason: Named = Field(min_length=1, max_length=500)


class ReplayIn(_In):
    """Gửi lại: everything behind a cursor, with the same message ids."""

    to: int = Field(ge=0, le=_CURSOR_MAX)
    reason: Named = Field(min_length=1, max_length=500)


class WebhookOut(BaseModel):
    """Webhook: one subscription and how it fares."""

    model_config = ConfigDict(frozen=True)

    id: str
    system_id: str
    url: str
    kinds: list[str]
    state: str = Field(description="active, paused, removed")
    why: str
    cursor: int = Field(description="Everything up to here was told, or is dead")
    newest: int
    tries: int
    failing_since: str | None
    due_at: str
    dead: int = Field(description="Messages given up, on record")
    created_at: str
    secret: str | None = Field(None, description="whsec_…; shown this once")


class WebhooksOut(BaseModel):
    """Webhooks of the caller, oldest first."""

    model_config = ConfigDict(frozen=True)

    items: list[WebhookOut]


class CallOut(BaseModel):
    """One message: told, trying, dead or refused."""

    model_config = ConfigDict(frozen=True)

    id: str
    cursor: int
    kind: str
    state: str
    tries: int
    began_at: str
    ended_at: str | None
    status: int
    outcome: str


class CallsOut(BaseModel):
    """Messages, newest first."""

    model_config = ConfigDict(frozen=True)

    items: list[CallOut]


class PostedOut(BaseModel):
    """How a test message ended."""

    model_config = ConfigDict(frozen=True)

    taken: bool
    status: int
    outcome: str


class WebhookRoutes:
    """Handlers of a system's webhooks."""

    def __init__(self, hooks: Webhooks, limits: Limits) -> None:
        self._hooks = hooks
        self._limits = limits

    async def listing(self, _: web.Request, caller: Caller) -> web.Response:
        """Return them."""
        found = await self._hooks.listing(caller.system_id)
        return json_response({"items": [shown(one) for one in found]})

    async def add(self, request: web.Request, caller: Caller) -> web.Response:
        """Add one."""
        asked = await self._body(request, WebhookIn)
        made, secret = await self._hooks.add(
            caller.system_id, asked.url, asked.kinds, by=caller.system_id
        )
        return json_response(shown(made) | {"secret": secret}, 201)

    async def one(self, request: web.Request, caller: Caller) -> web.Response:
        """Return one."""
        return json_response(shown(await self._hooks.one(caller.system_id, path_id(request))))

    async def calls(self, request: web.Request, caller: Caller) -> web.Response:
        """Return its messages."""
        query = read_query(request, (_DEAD, LIMIT))
        found = await self._hooks.calls(caller.system_id, path_id(request), **query)
        return json_response({"items": [shown_call(one) for one in found]})

    async def rotate(self, request: web.Request, caller: Caller) -> web.Response:
        """Give it a new secret."""
        asked = await self._body(request, RotateIn)
        made, secret = await self._hooks.rotate(
            caller.system_id,
            path_id(request),
            overlap=timedelta(hours=asked.overlap_hours),
            by=caller.system_id,
        )
        return json_response(shown(made) | {"secret": secret})

    async def pause(self, request: web.Request, caller: Caller) -> web.Response:
        """Bring nothing until it is resumed."""
        asked = await self._body(request, ReasonIn)
        made = await self._hooks.pause(
            caller.system_id, path_id(request), reason=asked.reason, by=caller.system_id
        )
        return json_response(shown(made))

    async def resume(self, request: web.Request, caller: Caller) -> web.Response:
        """Go on."""
        await Body(request, self._limits, self._limits.max_json_bytes).whole()
        made = await self._hooks.resume(caller.system_id, path_id(request), by=caller.system_id)
        return json_response(shown(made))

    async def remove(self, request: web.Request, caller: Caller) -> web.Response:
        """End it."""
        await Body(request, self._limits, self._limits.max_json_bytes).whole()
        made = await self._hooks.remove(caller.system_id, path_id(request), by=caller.system_id)
        return json_response(shown(made))

    async def replay(self, request: web.Request, caller: Caller) -> web.Response:
        """Tell everything behind a cursor again."""
        asked = await self._body(request, ReplayIn)
        made = await self._hooks.replay(
            caller.system_id, path_id(request), asked.to, reason=asked.reason, by=caller.system_id
        )
        return json_response(shown(made))

    async def test(self, request: web.Request, caller: Caller) -> web.Response:
        """Send a test message."""
        await Body(request, self._limits, self._limits.max_json_bytes).whole()
        return json_response(
            shown_posted(await self._hooks.test(caller.system_id, path_id(request)))
        )

    async def _body(self, request: web.Request, model: type[Any]) -> Any:
        if request.content_type != "application/json":
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                "Send application/json",
                "Hãy gửi application/json",
            )
        data = await Body(request, self._limits, self._limits.max_json_bytes).whole()
        return read_json(model, data, "webhook")

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        return (
            Endpoint(
                "GET", f"{API}/webhooks", "listWebhooks", "webhooks", "Webhook của bên gọi",
                "The caller's webhooks", self.listing,
                (Answer(200, "Danh sách", "The list", WebhooksOut),),
            ),
            Endpoint(
                "POST", f"{API}/webhooks", "addWebhook", "webhooks",
                "Thêm webhook: sự kiện được ký (Standard Webhooks) và gửi tới url",
                "Add a webhook: events are signed (Standard Webhooks) and sent to url", self.add,
                (Answer(201, "Webhook và khóa", "The webhook and its secret", WebhookOut),),
                refusals=(408, 409, 413, 415, 422), takes={"application/json": WebhookIn},
            ),
            found_by_id(
                _ONE, "getWebhook", "webhooks", "Một webhook", "One webhook", handler=self.one,
                model=WebhookOut,
            ),
            Endpoint(
                "GET", f"{_ONE}/calls", "listWebhookCalls", "webhooks",
                "Các sự kiện đã gửi hoặc đang thử", "Messages told, tried or given up", self.calls,
                (Answer(200, "Danh sách", "The list", CallsOut),), refusals=(404,),
                queries=(_DEAD, LIMIT),
            ),
            _act("rotate", "Đổi khóa; hai khóa cùng ký một thời gian",
                 "A new secret; both sign for a while", self.rotate, RotateIn),
            _act("pause", "Tạm dừng; không mất gì", "Pause; nothing is lost", self.pause, ReasonIn),
            _act("resume", "Chạy tiếp", "Go on", self.resume),
            _act("remove", "Bỏ hẳn", "End it for good", self.remove),
            _act("replay", "Gửi lại từ một con trỏ, cùng mã thông điệp",
                 "Tell again from a cursor, same message ids", self.replay, ReplayIn),
            _act("test", "Gửi thử một thông điệp", "Send a test message", self.test,
                 answer=PostedOut),
        )  # fmt: skip


def _act(  # noqa: PLR0917
    verb: str,
    vi: str,
    en: str,
    handler: Callable[[web.Request, Caller], Awaitable[web.StreamResponse]],
    takes: type[Any] | None = None,
    answer: type[Any] = WebhookOut,
) -> Endpoint:
    return Endpoint(
        "POST",
        f"{_ONE}/{verb}",
        f"{verb}Webhook",
        "webhooks",
        vi,
        en,
        handler,
        (Answer(200, vi, en, answer),),
        refusals=(404, 408, 409, 413, 415, 422),
        takes={"application/json": takes} if takes else None,
    )


def shown(hook: Webhook) -> dict[str, Any]:
    """Return a subscription as JSON."""
    return asdict(hook) | {
        "kinds": list(hook.kinds),
        "failing_since": iso_or_none(hook.failing_since),
        "due_at": iso(hook.due_at),
        "created_at": iso(hook.created_at),
    }


def shown_call(call: WebhookCall) -> dict[str, Any]:
    """Return a message as JSON."""
    return asdict(call) | {
        "began_at": iso(call.began_at),
        "ended_at": iso_or_none(call.ended_at),
    }


def shown_posted(posted: Posted) -> dict[str, Any]:
    """Return how a test message ended."""
    return {"taken": posted.taken, "status": posted.status, "outcome": posted.outcome}
