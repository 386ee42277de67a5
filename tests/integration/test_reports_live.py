"""Reports of a whole gateway: the stored file's pages, what was signed, the page for any file."""

import hashlib

import aiohttp
from lxml import etree

from gateway.trust.render import from_json
from tests.world.etsi_bindings import bindings, faults
from tests.world.gatehouse import gatehouse, packet
from tests.world.signed_files import pki, twice


async def test_an_arrivals_report_in_every_form(tmp_path):
    async with gatehouse(tmp_path) as house:
        trust = house.gateway.settings.verify.trust_dir
        for file in pki().trust_dir.iterdir():
            (trust / file.name).write_bytes(file.read_bytes())
        pdf = twice()
        status, sent, _ = await house.send(packet("12", files=[("cong-van.pdf", pdf)]))
        assert status == 202, sent
        (item,) = await house.inbox("stc")
        for path, system in (
            (f"/inbox/{item['id']}/verification", "stc"),
            (f"/documents/{sent['id']}/verification", "snv"),
        ):
            await _every_form(house, path, system, pdf)
        status, _, _ = await house.call("GET", f"/inbox/{item['id']}/verification?format=html")
        assert status == 404  # the sender's system does not see the receiver's arrival
        assert list((tmp_path / "data" / "scratch").glob("*")) == []


async def _every_form(house, path, system, pdf):
    _, told, _ = await house.call("GET", path, system)
    (file,) = told["files"]
    report = from_json(file["report"])
    assert report.signatures[0].signer.common_name == "Nguyễn Văn An"
    status, page, headers = await house.call("GET", f"{path}?format=html", system)
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    text = page.decode()
    assert "Nguyễn Văn An" in text
    assert text.count("data:image/png;base64,") == 1
    assert "<rect" in text
    _, xml, _ = await house.call("GET", f"{path}?format=xml", system)
    assert faults(etree.fromstring(xml), bindings().ValidationReport) == []
    for number, signature in enumerate(report.signatures):
        status, data, _ = await house.call("GET", f"{path}/files/0/signed/{number}", system)
        assert status == 200
        assert data == pdf[: signature.revision_end]
        assert hashlib.sha256(data).hexdigest() == signature.revision_sha256


async def test_the_page_of_a_whole_gateway(tmp_path):
    async with gatehouse(tmp_path) as house:
        async with house.session.get(f"{house.url}/verify") as answer:
            assert answer.status == 200
        form = aiohttp.FormData()
        form.add_field("file", twice(), filename="a.pdf")
        async with house.session.post(f"{house.url}/verify", data=form) as answer:
            assert answer.status == 200
            assert "Nguyễn Văn An" in await answer.text()
        assert list((tmp_path / "data" / "scratch").iterdir()) == []


async def test_the_page_can_be_closed(tmp_path):
    async with (
        gatehouse(tmp_path, extra="page = false\n") as house,
        house.session.get(f"{house.url}/verify") as answer,
    ):
        assert answer.status == 404
