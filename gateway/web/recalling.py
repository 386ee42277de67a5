"""`/api/v1/documents/{id}/recall`: an agency's system takes back what its agency sent (REC-03).

The order is durable when it is answered; each recipient is seen to by itself, and the answer says
how far each is. The same order again adds nothing.
"""

from typing import Literal

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from gateway.ports import Caller
from gateway.ports.recalls import Recalls
from gateway.web.body import Body, Limits
from gateway.web.metadata import Named, read_json
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import API, Answer, Endpoint, found_by_id, json_response, path_id


class RecallIn(BaseModel):
    """Yêu cầu thu hồi: why, and from whom; without `recipients` from all."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, str_strip_whitespace=True)

    reason: Named = Field(min_length=1, max_length=500, examples=["Ban hành nhầm phụ lục 2"])
    recipients: list[Named] = Field(
        default_factory=list,
        max_length=1000,
        description="Canonical codes of recipients; none for all, and then for good",
    )


class RecallWishOut(BaseModel):
    """Một nơi nhận của yêu cầu thu hồi."""

    model_config = ConfigDict(frozen=True)

    agency: str
    name: str
    state: Literal["waiting", "asked", "agreed", "declined", "not_needed"]
    state_text: str
    asked_at: AwareDatetime
    answered_at: AwareDatetime | None
    answer: str


class RecallOrderOut(BaseModel):
    """Một quyết định thu hồi."""

    model_config = ConfigDict(frozen=True)

    id: str
    whole: bool = Field(description="From all recipients: nobody else gets the document any more")
    reason: str
    asked_by: str
    asked_at: AwareDatetime
    recipients: list[RecallWishOut]


class RecallsOut(BaseModel):
    """Các yêu cầu thu hồi của một văn bản, mới nhất trước."""

    model_config = ConfigDict(frozen=True)

    id: str
    document_id: str
    frozen: bool = Field(description="Taken back from everybody: read-only (REC-02)")
    orders: list[RecallOrderOut]


class RecallRoutes:
    """Handlers of taking back."""

    def __init__(self, recalls: Recalls, limits: Limits) -> None:
        self._recalls = recalls
        self._limits = limits

    async def ask(self, request: web.Request, caller: Caller) -> web.Response:
        """Take a document back."""
        name = path_id(request)
        if request.content_type != "application/json":
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                "Send {reason, recipients} as application/json",
                "Hãy gửi {reason, recipients} dạng application/json",
            )
        data = await Body(request, self._limits, self._limits.max_json_bytes).whole()
        wish = read_json(RecallIn, data, "recall")
        told = await self._recalls.by_system(caller, name, wish.recipients, wish.reason)
        return json_response(told)

    async def look(self, request: web.Request, caller: Caller) -> web.Response:
        """Return the recalls of a document."""
        return json_response(await self._recalls.of_system(caller, path_id(request)))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        path = f"{API}/documents/{{id}}/recall"
        return (
            Endpoint(
                "POST",
                path,
                "recallDocument",
                "documents",
                "Thu hồi văn bản đã gửi, ở mọi nơi nhận hoặc một số nơi: chưa gửi thì hủy, đã gửi "
                "thì yêu cầu lấy lại (13), bên nhận trả lời 15 hoặc 16",
                "Take a document back, from all recipients or some: what has not left is "
                "cancelled, what has is asked back (13), and the recipient answers 15 or 16. The "
                "same order again adds nothing",
                self.ask,
                (Answer(200, "Đã ghi nhận", "Recorded", RecallsOut),),
                refusals=(404, 408, 409, 413, 415, 422),
                takes={"application/json": RecallIn},
            ),
            found_by_id(
                path,
                "getDocumentRecalls",
                "documents",
                "Các yêu cầu thu hồi của văn bản",
                "Its recalls",
                handler=self.look,
                model=RecallsOut,
            ),
        )
