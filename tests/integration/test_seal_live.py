"""The sealed report of a whole gateway: over HTTP with rights, from the command line, and late."""

import asyncio
import io
import json

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.__main__ import main
from gateway.demo.pki import Person, make_pki
from gateway.demo.pki_service import DevPkiService
from gateway.trust.render import to_json
from gateway.trust.report import Verdict
from tests.world.api_house import house, problem
from tests.world.fake_desk import STRANGER_KEY
from tests.world.gatehouse import gatehouse, packet, write_config
from tests.world.made_reports import report, signature
from tests.world.sealing import HOUR, verified
from tests.world.signed_files import NOW, pki, trust_of, twice

HUB = ("00.37.W00", "Trục liên thông tỉnh")
ARRIVAL = "01990000-0000-7000-9000-000000000001"
URL = f"/api/v1/inbox/{ARRIVAL}/verification"


def seal_settings(folder, source, url):
    """Lay the seal's files into a gateway's folder; return its settings."""
    agency = source.agency()
    keys = folder / "seal"
    keys.mkdir()
    for name, file in (("seal.key", agency.key), ("seal.pem", agency.certificate)):
        (keys / name).write_bytes(file.read_bytes())
        (keys / name).chmod(0o600)
    return '[reports.seal]\nkey_file = "seal/seal.key"\ncertificate_file = "seal/seal.pem"\n' + (
        f'tsa_url = "{url}"\n' if url else ""
    )


@pytest.fixture(name="service")
async def _service(tmp_path):
    from datetime import UTC, datetime

    service = await DevPkiService.open()
    made = await asyncio.to_thread(
        make_pki,
        tmp_path / "pki",
        now=datetime.now(UTC),
        agencies=[HUB],
        people=[Person("Nguyễn Văn An")],
        base_url=service.url,
    )
    service.serve(made)
    yield service, made
    await service.close()


async def test_a_document_of_a_gateway_has_a_sealed_report(tmp_path, service):
    service, source = service
    extra = seal_settings(tmp_path, source, f"{service.url}/tsa")
    async with gatehouse(tmp_path, extra=extra) as gate:
        trust = gate.gateway.settings.verify.trust_dir
        for file in (*pki().trust_dir.iterdir(), *source.trust_dir.iterdir()):
            (trust / f"{file.parent.parent.name}-{file.name}").write_bytes(file.read_bytes())
        status, sent, _ = await gate.send(packet("12", files=[("cong-van.pdf", twice())]))
        assert status == 202, sent
        path = f"/documents/{sent['id']}/verification?format=pdf"
        status, data, headers = await gate.call("GET", path)
        assert status == 200
        assert headers["Content-Type"] == "application/pdf"
        assert headers["X-Report-Seal"] == "B-LT"
        assert headers["Content-Disposition"].startswith("attachment;")
        found = verified(data, gate.clock.now() + HOUR, source.trust_dir)
        assert found.verdict is Verdict.VALID
        assert found.signatures[0].signer.common_name == HUB[1]
        assert (await gate.call("GET", path))[1] == data  # the same file again
        status, _, _ = await gate.call("GET", path, "stc")
        assert status == 404
        assert list((tmp_path / "data" / "scratch").iterdir()) == []

        await service.close()  # the authority goes away
        status, data, headers = await gate.call("GET", f"{path}&lang=en")
        assert headers["X-Report-Seal"] == "B-B; waiting"
        assert status == 200
        assert len(PdfFileReader(io.BytesIO(data)).embedded_signatures) == 1
        assert await gate.gateway.seal.waiting() == 1


async def test_a_gateway_without_a_seal_prints_all_the_same(tmp_path):
    async with gatehouse(tmp_path) as gate:
        status, sent, _ = await gate.send(packet("12"))
        assert status == 202
        path = f"/documents/{sent['id']}/verification?format=pdf"
        _, data, headers = await gate.call("GET", path)
        assert headers["X-Report-Seal"] == "none"
        assert data.startswith(b"%PDF-1.7")
        assert not (tmp_path / "data" / "reports").exists()


@pytest.fixture(name="offered")
async def _offered():
    async with house() as h:
        h.desk.offer(ARRIVAL, "H37.02", [("công văn.pdf", "application/pdf", b"%PDF-1.7")])
        files = [{"index": 0, "name": "t.pdf", "report": to_json(report(signature()))}]
        h.desk.verification = {"verdict": "valid", "legal_class": "original", "files": files}
        yield h


@pytest.mark.parametrize("how", ["query", "accept"])
async def test_the_form_is_asked_for_like_the_others(offered, how):
    if how == "query":
        reply = await offered.get(f"{URL}?format=pdf")
    else:
        reply = await offered.get(URL, headers={"Accept": "application/pdf"})
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/pdf"
    assert reply.headers["X-Report-Seal"] == "none"
    assert reply.headers["Content-Disposition"].startswith(
        f'attachment; filename="bao-cao-{ARRIVAL}.pdf"'
    )
    assert reply.headers["Vary"] == "Accept"
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert reply.body.startswith(b"%PDF-1.7")


async def test_anothers_report_does_not_exist(offered):
    problem(await offered.get(f"{URL}?format=pdf", key=STRANGER_KEY), 404, "not-found")
    problem(await offered.get(f"{URL}?format=pdf", key=None), 401, "unauthenticated")


async def test_traffic_never_stops_for_an_authority_that_is_away(tmp_path, service):
    _, source = service
    extra = seal_settings(tmp_path, source, "http://127.0.0.1:9/tsa")  # nobody is there
    async with gatehouse(tmp_path, extra=extra) as gate:
        trust = gate.gateway.settings.verify.trust_dir
        for file in (*pki().trust_dir.iterdir(), *source.trust_dir.iterdir()):
            (trust / f"{file.parent.parent.name}-{file.name}").write_bytes(file.read_bytes())
        for number in ("12", "13"):
            files = [("cong-van.pdf", twice())]
            status, sent, _ = await gate.send(packet(number, files=files))
            assert status == 202, sent
            path = f"/documents/{sent['id']}/verification?format=pdf"

            async def sealed(path=path):
                # On a busy machine the verdict itself may come after the 202.
                status, data, headers = await gate.call("GET", path)
                assert status == 200
                return headers["X-Report-Seal"] != "none" and (data, headers["X-Report-Seal"])

            data, told = await gate.until(sealed)
            assert told == "B-B; waiting"
            (seal,) = PdfFileReader(io.BytesIO(data)).embedded_signatures
            assert "chưa đóng dấu thời gian" in seal.sig_object["/Reason"]
        assert len(await gate.inbox("stc", 2)) == 2
        async with gate.session.get(f"{gate.url}/ready") as answer:
            assert answer.status == 200, await answer.text()


# ---------------------------------------------------------------- the command line


@pytest.fixture(name="configured")
def _configured(tmp_path):
    """A gateway's folder with a seal whose authority nobody reaches."""
    extra = seal_settings(tmp_path, pki(), "http://127.0.0.1:9/tsa")
    config = write_config(tmp_path, extra)
    for file in trust_of(pki()).iterdir():
        (tmp_path / "trust" / file.name).write_bytes(file.read_bytes())
    return config


def test_verify_writes_a_report_and_seals_it_when_told_by_whom(tmp_path, configured, capsys):
    letter = tmp_path / "a.pdf"
    letter.write_bytes(twice())
    trust = ["--trust", str(pki().trust_dir), "--at", "2026-11-22T12:10:00+07:00"]
    plain, sealed = tmp_path / "plain.pdf", tmp_path / "sealed.PDF"
    assert main(["verify", str(letter), *trust, "--report", str(plain)]) == 0
    assert verified(plain.read_bytes(), NOW).verdict is Verdict.UNSIGNED
    capsys.readouterr()
    line = ["verify", str(letter), *trust, "--report", str(sealed), "--json"]
    assert main([*line, "--config", str(configured)]) == 0
    told = capsys.readouterr()
    assert "chưa đóng dấu thời gian" in told.err
    assert json.loads(told.out)["verdict"] == "valid"
    assert len(PdfFileReader(io.BytesIO(sealed.read_bytes())).embedded_signatures) == 1
    assert not (tmp_path / "data" / "reports").exists()


def test_status_says_what_is_not_well(tmp_path, configured, capsys):
    assert main(["seal", "status", "--config", str(configured), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["configured"], told["well"]) == (True, False)
    assert (told["level"], told["expected"]) == ("B-B", "B-LT")
    assert told["certificate"] == pki().agency().name
    assert "report time-stamp" in told["troubles"]
    assert not (tmp_path / "data" / "reports").exists()
    assert main(["seal", "stamp", "--config", str(configured), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["waiting"] == 0


def test_a_damaged_one_is_taken_away_and_told(tmp_path, configured, capsys):
    from datetime import UTC, datetime

    from gateway.seal.kept import KeptReports

    kept = KeptReports(tmp_path / "data" / "reports")
    kept.put("ab" * 32, "B-B", b"%PDF-1.7 no report", datetime.now(UTC))
    assert main(["seal", "stamp", "--config", str(configured), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["completed"], told["waiting"]) == (0, 0)
    assert "report seal" in told["troubles"]
    assert list((tmp_path / "data" / "reports").iterdir()) == []


def test_without_a_seal_the_commands_say_so(tmp_path, capsys):
    config = write_config(tmp_path)
    for command in ("status", "stamp"):
        assert main(["seal", command, "--config", str(config), "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {"configured": False}
    assert main(["seal", "status", "--config", str(config)]) == 0
    assert "Chưa cấu hình niêm phong" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ('tsa_url = "http://tsa"', "reports.seal.key_file"),
        ('key_file = "seal/missing.key"', "reports.seal.key_file"),
        ('key_file = "seal/seal.key"', "reports.seal.key_file"),  # PEM without its certificate
        ('key_file = "seal/seal.key"\ncertificate_file = "trust/root.pem"', "certificate_file"),
        ('certificate_file = "seal/seal.pem"', "reports.seal.key_file"),
    ],
)
def test_settings_that_seal_nothing_are_refused_by_name(tmp_path, capsys, text, where):
    seal_settings(tmp_path, pki(), "")
    config = write_config(tmp_path)
    (tmp_path / "trust" / "root.pem").write_bytes(pki().root.certificate.read_bytes())
    config.write_text(config.read_text("utf-8") + f"\n[reports.seal]\n{text}\n", "utf-8")
    assert main(["check-config", "--config", str(config)]) == 64
    told = capsys.readouterr()
    assert where in told.out + told.err
