"""`/api/v1/uploads`: a packet handed over beforehand, to be referred to by a small message.

The answer comes after the bytes are durable. What is never referred to goes by itself.
"""

from aiohttp import web

from gateway.domain.moments import iso
from gateway.ports import Caller, Uploads
from gateway.web import models
from gateway.web.body import Body, Limits
from gateway.web.documents import PACKET_TYPES
from gateway.web.problems import WebReason, WebRefusalError
from gateway.web.routes import API, Answer, Endpoint, json_response


class UploadRoutes:
    """Handlers of uploads.

    Args:
        uploads: Keeps them.
        limits: How large one may be.
    """

    def __init__(self, uploads: Uploads, limits: Limits) -> None:
        self._uploads = uploads
        self._limits = limits

    async def keep(self, request: web.Request, caller: Caller) -> web.Response:
        """Keep a packet; 201 once it is durable."""
        if request.content_type not in PACKET_TYPES:
            raise WebRefusalError(
                WebReason.UNSUPPORTED_MEDIA_TYPE,
                f"Send an edXML packet as {', '.join(PACKET_TYPES)}",
                f"Hãy gửi gói edXML dạng {', '.join(PACKET_TYPES)}",
            )
        body = Body(request, self._limits, self._limits.max_packet_bytes)
        kept = await self._uploads.keep(caller, body.chunks())
        told = {
            "id": kept.id,
            "sha256": kept.sha256,
            "size_bytes": kept.size_bytes,
            "expires_at": iso(kept.expires_at),
        }
        return json_response(told, 201)

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        packets: dict[str, type | None] = dict.fromkeys(PACKET_TYPES)
        return (
            Endpoint(
                "POST",
                f"{API}/uploads",
                "uploadPacket",
                "documents",
                "Tải trước một gói edXML lớn, rồi gửi tham chiếu (id, sha256) qua RabbitMQ",
                "Hand a large edXML packet over beforehand; a message on RabbitMQ then refers to "
                "it by id and sha256. Only the system that uploaded it can",
                self.keep,
                (Answer(201, "Đã lưu bền vững", "Durably stored", models.UploadOut),),
                refusals=(408, 413, 415),
                takes=packets,
            ),
        )
