"""A whole gateway: an urgent document waits, is told by mail, heard in the feed, taken on."""

from datetime import timedelta
from email import message_from_bytes, policy

from aiosmtpd.controller import Controller

from gateway.domain.access import Role
from tests.integration.test_intake_form import FILES, METADATA, form, send_form
from tests.world.gatehouse import gatehouse
from tests.world.servers.ports import free_port

EVENTS = "/events?after=0&kinds=alert.*"
JSON = {"Accept": "application/json"}


class Box:
    def __init__(self):
        self.letters = []

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.letters.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 OK"


async def test_an_urgent_document_that_waits_is_told_and_taken_on(tmp_path):
    box = Box()
    server = Controller(box, hostname="127.0.0.1", port=free_port())
    server.start()
    extra = (
        '[watch]\noperations = ["truc@x.vn"]\n'
        f'[mail]\nhost = "127.0.0.1"\nport = {server.port}\nsecurity = "none"\n'
    )
    try:
        speaks = {"snv": ["H37.02"], "stc": ["H37.04"], "other": ["H37.61"]}
        async with gatehouse(tmp_path, extra=extra, speaks=speaks) as house:
            status, _, _ = await send_form(house, form(METADATA, FILES))
            assert status == 202
            await house.inbox("other")
            house.clock.move(timedelta(minutes=20))
            await house.gateway.alerts.look()

            async def told():
                return [m for m in box.letters if "khẩn" in m["Subject"]]

            letter = (await house.until(told))[0]
            assert letter["To"] == "truc@x.vn"
            assert "H37.02,2026/11/20,12/SNV-VP" in letter.get_content()

            async def heard():
                page = await house.call("GET", EVENTS, "other", headers=JSON)
                return [e for e in page[1]["items"] if e["alert"] == "urgent-waiting"]

            (event,) = await house.until(heard)
            assert (event["kind"], event["agencies"]) == ("alert.raised", ["H37.61"])
            page = await house.call("GET", EVENTS, "snv", headers=JSON)
            assert page[1]["items"] == []

            lan = await house.visitor("lan", Role.CLERK, "H37.61")
            one = f"/alerts/{event['subject']}"
            assert "Tôi nhận xử lý" in (await lan.get(one)).words
            assert (await lan.post(one, {"note": "đang trình"})).status == 303
            hung = await house.visitor("hung", Role.CLERK, "H37.04")
            assert (await hung.get(one)).status == 404
            assert "đang trình" in (await lan.get(one)).words
    finally:
        server.stop()
