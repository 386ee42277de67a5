"""`POST /api/v1/inbox/rewind`: an agency that restored an old backup asks for its inbox again.

Everything it had taken behind a cursor, or since a time, is offered again by every door of its
system, with the same ids and bytes, marked as replay. Receipts and times of the first time stay.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Self

from aiohttp import web
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    model_validator,
)

from gateway.domain.moments import iso_or_none
from gateway.ports import Caller, Replays, Rewound
from gateway.web.body import Body, Limits
from gateway.web.metadata import Named, read_json
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import API, Answer, Endpoint, json_response

_CURSOR_MAX: Final = 2**63 - 1


def _of_this_era(at: datetime) -> datetime:
    """Refuse an instant that no calendar has in UTC: `0001-01-01T00:00:00+07:00`."""
    try:
        return at.astimezone(UTC)
    except OverflowError as exc:
        raise ValueError("no such time in UTC") from exc


class RewindIn(BaseModel):
    """Yêu cầu nhận lại: from a cursor (`to`) or a time (`since`), one of the two, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    to: int | None = Field(
        None, ge=0, le=_CURSOR_MAX, description="Cursor of the inbox; what lies behind it comes"
    )
    since: Annotated[AwareDatetime, AfterValidator(_of_this_era)] | None = Field(
        None, description="What was offered since then comes"
    )
    reason: Named = Field(
        min_length=1, max_length=500, examples=["Phục hồi bản sao lưu ngày 20/11"]
    )
    dry_run: bool = Field(False, description="Only say what would come")

    @model_validator(mode="after")
    def one_of_two(self) -> Self:
        """Refuse both and neither."""
        if (self.to is None) == (self.since is None):
            raise ValueError("name a cursor (to) or a time (since), one of the two")
        return self


class RewoundOut(BaseModel):
    """What is offered again."""

    model_config = ConfigDict(frozen=True)

    system_id: str
    cursor: int = Field(description="Ask /api/v1/inbox behind it")
    until: int
    documents: int
    statuses: int
    purged: int = Field(description="Documents whose bytes retention let go: they do not come")
    consumers: list[str] = Field(description="Doors that bring things, put back too")
    began_at: str | None


class ReplayRoutes:
    """Handler of rewinding."""

    def __init__(self, replays: Replays, limits: Limits) -> None:
        self._replays = replays
        self._limits = limits

    async def rewind(self, request: web.Request, caller: Caller) -> web.Response:
        """Offer the caller's inbox again."""
        if request.content_type != "application/json":
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                "Send {to | since, reason} as application/json",
                "Hãy gửi {to | since, reason} dạng application/json",
            )
        data = await Body(request, self._limits, self._limits.max_json_bytes).whole()
        asked = read_json(RewindIn, data, "rewind")
        told = await self._replays.rewind(
            caller,
            to=asked.to,
            since=asked.since,
            by=caller.system_id,
            reason=asked.reason,
            dry_run=asked.dry_run,
        )
        return json_response(shown(told))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the route."""
        return (
            Endpoint(
                "POST",
                f"{API}/inbox/rewind",
                "rewindInbox",
                "inbox",
                "Nhận lại văn bản đã nhận từ một con trỏ hoặc một thời điểm (đã phục hồi bản sao "
                "lưu cũ): cùng mã, cùng nội dung, đánh dấu replay",
                "Offer again what was taken behind a cursor or since a time (an old backup was "
                "restored): same ids, same bytes, marked as replay",
                self.rewind,
                (Answer(200, "Sẽ được nhận lại", "What comes again", RewoundOut),),
                refusals=(408, 413, 415, 422),
                takes={"application/json": RewindIn},
            ),
        )


def shown(told: Rewound) -> dict[str, object]:
    """Return it as JSON."""
    return {
        "system_id": told.system_id,
        "cursor": told.cursor,
        "until": told.until,
        "documents": told.documents,
        "statuses": told.statuses,
        "purged": told.purged,
        "consumers": list(told.consumers),
        "began_at": iso_or_none(told.began_at),
    }
