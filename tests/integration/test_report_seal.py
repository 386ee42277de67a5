"""The seal on printed reports: what our own verifier, pdfsig and qpdf say of it, and what happens
when time-stamps, revocation data or the certificate are not to be had."""

import asyncio
import io
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import timedelta

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.demo.pki import Revocation
from gateway.reports import pdf as paper
from gateway.reports.model import DocumentFacts
from gateway.trust.report import Answer, Verdict
from gateway.trust.stamps import tokens_of
from tests.world.made_reports import states
from tests.world.sealing import HOUR, Bureau, dossier, verified, written_down
from tests.world.signed_files import NOW, flipped, overlaid, pki, trust_of

DAY = timedelta(days=1)


@pytest.fixture(name="bureau")
def _bureau(tmp_path, monkeypatch):
    with written_down(Bureau(tmp_path / "reports"), monkeypatch) as bureau:
        yield bureau


@pytest.fixture(name="open_bureau")
def _open_bureau(tmp_path, monkeypatch):
    def opened(**given):
        bureau = Bureau(tmp_path / "reports", **given)
        return written_down(bureau, monkeypatch).__enter__()

    return opened


def run(*command):
    return subprocess.run(command, capture_output=True, check=False, timeout=60)


def needs(tool):
    return pytest.mark.skipif(shutil.which(tool) is None, reason=f"{tool} is not installed")


async def test_a_report_is_sealed_and_our_verifier_finds_it_valid(bureau):
    printed = await bureau.office.printed(dossier())
    assert (printed.level, printed.waiting, printed.told) == ("B-LT", False, "B-LT")
    report = verified(printed.pdf, NOW + HOUR)
    (seal,) = report.signatures
    assert report.verdict is Verdict.VALID
    assert (seal.field, seal.level, seal.role) == ("VanLienSeal", "PAdES-B-LT", "organization")
    assert seal.signer.common_name == bureau.identity.name
    assert (seal.intact, seal.trusted, seal.not_revoked, seal.time_proven) == (Answer.YES,) * 4
    assert (seal.signed_at, seal.signed_at_source) == (NOW, "timestamp")
    assert (seal.page, seal.rectangle) == (0, None)  # nothing is drawn over the page
    assert bureau.alarms == []
    assert bureau.sealed == ["B-LT"]


async def test_the_seal_carries_its_proof_and_needs_no_list_of_ours(bureau):
    printed = await bureau.office.printed(dossier())
    bare = trust_of(pki(), crls=False)
    assert verified(printed.pdf, NOW + HOUR, bare).verdict is Verdict.VALID


async def test_years_later_it_is_valid_by_its_time_stamp(bureau):
    printed = await bureau.office.printed(dossier())
    then = NOW + 4 * 365 * DAY  # the seal's certificate is over
    report = verified(printed.pdf, then, trust_of(pki(), now=then))
    assert report.verdict is Verdict.VALID
    assert report.signatures[0].signed_at == NOW


async def test_what_is_sealed_is_the_report_and_the_metadata_stays(bureau):
    printed = await bureau.office.printed(dossier())
    plain = paper.render(replace(dossier(), sealed_by=bureau.identity.name))
    assert printed.pdf.startswith(plain)
    before, after = (PdfFileReader(io.BytesIO(data)).root for data in (plain, printed.pdf))
    assert before["/Metadata"].data == after["/Metadata"].data
    assert b"<pdfaid:part>2</pdfaid:part>" in after["/Metadata"].data
    assert after["/StructTreeRoot"] == before["/StructTreeRoot"]


async def test_the_invisible_field_is_one_that_pdf_a_admits(bureau):
    printed = await bureau.office.printed(dossier())
    (reference,) = PdfFileReader(io.BytesIO(printed.pdf)).root["/AcroForm"]["/Fields"]
    field = reference.get_object()
    assert list(field["/Rect"]) == [0, 0, 0, 0]
    assert field["/F"] == 132  # print, locked; not hidden
    assert "/NeedAppearances" not in PdfFileReader(io.BytesIO(printed.pdf)).root["/AcroForm"]


@needs("pdfsig")
async def test_pdfsig_agrees_that_the_bytes_are_intact(bureau, tmp_path):
    printed = await bureau.office.printed(dossier())
    for name, data, expected in (
        ("good", printed.pdf, "Signature is Valid"),
        ("bad", flipped(printed.pdf), "Digest Mismatch"),
    ):
        file = tmp_path / f"{name}.pdf"
        file.write_bytes(data)
        done = await asyncio.to_thread(run, "pdfsig", "-nocert", str(file))
        assert re.findall(r"Signature Validation: ([^.]+)\.", done.stdout.decode()) == [expected]


@needs("qpdf")
@pytest.mark.parametrize("away", ["", "no connection"])
async def test_qpdf_finds_every_revision_well_formed(bureau, tmp_path, away):
    bureau.away = away
    await bureau.office.printed(dossier())
    bureau.away = ""
    bureau.move(HOUR)
    await bureau.office.once()
    file = tmp_path / "sealed.pdf"
    file.write_bytes((await bureau.office.printed(dossier())).pdf)
    done = await asyncio.to_thread(run, "qpdf", "--check", str(file))
    assert done.returncode == 0, done.stdout
    assert done.stderr == b""


@pytest.mark.parametrize("spoil", [flipped, overlaid], ids=["a byte", "a page drawn over"])
async def test_a_report_that_was_tampered_with_is_invalid(bureau, spoil):
    printed = await bureau.office.printed(dossier())
    assert verified(spoil(printed.pdf), NOW + HOUR).verdict is Verdict.INVALID


async def test_the_same_report_is_the_same_file_also_after_a_restart(bureau):
    first = await bureau.office.printed(dossier())
    bureau.move(HOUR)
    assert await bureau.office.printed(dossier()) == first
    bureau.office = bureau.open()
    assert await bureau.office.printed(dossier()) == first
    assert bureau.asked == 1
    other = await bureau.office.printed(dossier(lang="en"))
    assert other.pdf != first.pdf


async def test_many_who_ask_at_once_get_one_file(bureau):
    found = await asyncio.gather(*(bureau.office.printed(dossier()) for _ in range(5)))
    assert len({one.pdf for one in found}) == 1
    assert bureau.asked == 1


# ---------------------------------------------------------------- no time-stamp


async def test_without_the_authority_it_is_issued_and_stamped_later(bureau):
    bureau.away = "no connection"
    first = await bureau.office.printed(dossier())
    assert (first.level, first.waiting, first.told) == ("B-B", True, "B-B; waiting")
    early = verified(first.pdf, NOW + HOUR)
    assert early.signatures[0].level == "PAdES-B-B"
    assert early.signatures[0].intact is Answer.YES
    seal = PdfFileReader(io.BytesIO(first.pdf)).embedded_signatures[0]
    assert "chưa đóng dấu thời gian" in seal.sig_object["/Reason"]
    assert bureau.alarms == ["report time-stamp"]
    assert bureau.standing["report_stamp"] is True

    bureau.away = ""
    bureau.move(HOUR)
    assert await bureau.office.once() == 1
    later = await bureau.office.printed(dossier())
    assert (later.level, later.waiting) == ("B-LT", False)
    assert later.pdf.startswith(first.pdf)  # whoever has the first copy has a part of this one
    report = verified(later.pdf, NOW + 2 * HOUR)
    seal, stamp = report.signatures
    assert report.verdict is Verdict.VALID
    assert (seal.level, stamp.level) == ("PAdES-B-LTA", "timestamp")
    assert (seal.signed_at, seal.signed_at_source) == (NOW + HOUR, "document-timestamp")
    assert bureau.standing["report_stamp"] is False
    assert bureau.alarms == ["report time-stamp"]
    bare = trust_of(pki(), crls=False)
    assert verified(later.pdf, NOW + 2 * HOUR, bare).verdict is Verdict.VALID


async def test_an_authority_that_is_away_is_not_asked_for_every_report(bureau):
    bureau.away = "no connection"
    for name in ("valid", "noted", "hash", "later"):
        assert (await bureau.office.printed(dossier(name))).level == "B-B"
    assert bureau.asked == 1
    bureau.move(timedelta(seconds=61))
    await bureau.office.printed(dossier("expired"))
    assert bureau.asked == 2
    assert await bureau.office.once() == 0  # it waits longer now
    assert bureau.asked == 2
    bureau.away = ""
    bureau.move(HOUR)
    assert await bureau.office.once() == 5
    assert await bureau.office.waiting() == 0
    assert bureau.alarms == ["report time-stamp"]


async def test_waiting_ones_outlive_a_restart(bureau):
    bureau.away = "no connection"
    await bureau.office.printed(dossier())
    bureau.away, bureau.office = "", bureau.open()
    assert await bureau.office.waiting() == 1
    assert await bureau.office.once() == 1
    assert (await bureau.office.printed(dossier())).level == "B-LT"


async def test_a_damaged_file_does_not_hold_up_the_others(bureau):
    bureau.away = "no connection"
    for name in ("valid", "noted", "hash"):
        await bureau.office.printed(dossier(name))
    damaged = min(bureau.folder.iterdir())
    damaged.write_bytes(b"%PDF-1.7 torn")
    bureau.away = ""
    bureau.move(HOUR)
    assert await bureau.office.once() == 2
    assert not damaged.exists()
    assert bureau.alarms == ["report time-stamp", "report seal"]


@pytest.mark.parametrize("answer", [b"", b"<html>", b"\x30\x03\x02\x01\x02"])
async def test_an_answer_that_is_none_counts_as_no_answer(bureau, answer):
    async def ask(_):
        return answer

    bureau.office._ask = ask
    assert (await bureau.office.printed(dossier())).level == "B-B"
    assert bureau.alarms == ["report time-stamp"]


async def test_a_time_stamp_that_spoils_the_report_costs_only_the_time_stamp(bureau):
    """An authority that lies in a way only the verifier sees: sealed without, asked again later."""
    honest = bureau.office._check

    async def check(pdf, at):
        stamped = len(PdfFileReader(io.BytesIO(pdf)).embedded_signatures) > 1
        return await honest(flipped(pdf) if stamped or b"timestamp" in at_seal(pdf) else pdf, at)

    bureau.office._check = check
    first = await bureau.office.printed(dossier())
    assert first.told == "B-B; waiting"
    assert bureau.alarms == ["report time-stamp"]
    asked = bureau.asked
    bureau.move(HOUR)
    for _ in range(3):  # neither is it asked without end for what waits
        assert await bureau.office.once() == 0
    assert bureau.asked == asked + 1
    assert (await bureau.office.printed(dossier())).pdf == first.pdf
    bureau.office._check = honest
    bureau.move(HOUR)
    assert await bureau.office.once() == 1
    assert (await bureau.office.printed(dossier())).level == "B-LT"


def at_seal(pdf):
    """Return b"timestamp" when the seal itself carries a token, b"" when it does not."""
    seal = PdfFileReader(io.BytesIO(pdf)).embedded_signatures[0]
    return b"timestamp" if tokens_of(seal.signer_info) else b""


async def test_without_an_authority_in_the_settings_nothing_waits(open_bureau):
    bureau = open_bureau(authority=False)
    printed = await bureau.office.printed(dossier())
    assert (printed.level, printed.waiting, printed.told) == ("B-B", False, "B-B")
    assert await bureau.office.once() == 0
    assert bureau.alarms == []


# ---------------------------------------------------------------- no revocation data


async def test_without_lists_it_is_stamped_and_completed_when_they_come(open_bureau):
    trust = trust_of(pki(), crls=False)
    bureau = open_bureau(trust=trust)
    first = await bureau.office.printed(dossier())
    assert (first.level, first.waiting) == ("B-T", True)
    assert "report seal lacks revocation data" in bureau.alarms
    assert await bureau.office.once() == 0
    for name in ("root.crl", "issuing.crl"):
        (trust / name).write_bytes((pki().trust_dir / name).read_bytes())
    assert await bureau.office.once() == 1
    later = await bureau.office.printed(dossier())
    assert later.level == "B-LT"
    assert later.pdf.startswith(first.pdf)
    report = verified(later.pdf, NOW + HOUR, trust_of(pki(), crls=False))
    assert report.verdict is Verdict.VALID
    assert report.signatures[0].level == "PAdES-B-LT"
    assert bureau.standing["report_proofs"] is False


async def test_a_list_too_large_stays_out_of_reports(open_bureau):
    bureau = open_bureau(max_bytes=100)
    printed = await bureau.office.printed(dossier())
    assert printed.level == "B-T"
    assert (
        bureau.office.troubles["report seal lacks revocation data"] == "revocation data too large"
    )


# ---------------------------------------------------------------- no seal


async def unsealed(bureau, subject=None):
    printed = await bureau.office.printed(subject or dossier())
    assert (printed.level, printed.waiting, printed.told) == ("", False, "none")
    assert verified(printed.pdf, bureau.now()).verdict is Verdict.UNSIGNED
    assert printed.pdf == paper.render(subject or dossier())
    return printed


async def test_a_certificate_out_of_term_seals_nothing(bureau):
    bureau.move(5 * 365 * DAY)
    await unsealed(bureau)
    await unsealed(bureau)
    assert bureau.alarms == ["report seal"]
    assert bureau.asked == 0
    assert bureau.standing["report_seal"] is True


async def test_a_revoked_certificate_seals_nothing(open_bureau):
    serial = pki().agency().serial
    trust = trust_of(pki(), revoked=Revocation(serial, NOW - DAY))
    for authority in (True, False):
        bureau = open_bureau(trust=trust, authority=authority)
        await unsealed(bureau)
        assert bureau.alarms == ["report seal"]


async def test_a_seal_our_verifier_does_not_accept_is_not_given_out(bureau):
    async def check(pdf, at):
        return verified(flipped(pdf), at)

    bureau.office._check = check
    await unsealed(bureau)
    assert bureau.alarms == ["report seal"]
    bureau.office = bureau.open()
    assert (await bureau.office.printed(dossier())).level == "B-LT"


async def test_a_verifier_that_is_away_holds_nothing_up(bureau):
    async def check(_, __):
        raise TimeoutError

    bureau.office._check = check
    assert (await bureau.office.printed(dossier())).level == "B-LT"


async def test_a_seal_this_trust_folder_does_not_know_is_given_out_with_one_alarm(open_bureau):
    trust = trust_of(pki(), crls=False)
    for file in trust.iterdir():
        file.unlink()
    bureau = open_bureau(trust=trust)
    for name in ("valid", "noted"):
        printed = await bureau.office.printed(dossier(name))
        assert printed.level == "B-T"
    assert bureau.alarms.count("report seal not trusted here") == 1
    assert verified(printed.pdf, NOW + HOUR, pki().trust_dir).verdict is not Verdict.INVALID


async def test_a_full_disk_costs_the_seal_and_not_the_report(bureau, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bureau.office._kept, "put", full)
    await unsealed(bureau)
    assert bureau.alarms == ["report seal"]


async def test_what_is_still_being_verified_is_not_sealed(bureau):
    pending = replace(dossier(), facts=DocumentFacts(pending=True))
    await unsealed(bureau, pending)
    assert bureau.alarms == []


# ---------------------------------------------------------------- what stays


async def test_a_paper_about_a_secret_document_is_sealed_and_kept_nowhere(bureau):
    printed = await bureau.office.printed(dossier("secret"))
    assert (printed.level, printed.waiting) == ("B-LT", False)
    assert list(bureau.folder.iterdir()) == []


async def test_complete_ones_go_in_time_and_waiting_ones_stay(bureau):
    await bureau.office.printed(dossier())
    bureau.away = "no connection"
    await bureau.office.printed(dossier("noted"))
    assert len(list(bureau.folder.iterdir())) == 2
    bureau.move(31 * DAY)
    await bureau.office.once()
    (left,) = bureau.folder.iterdir()
    assert left.name.endswith(".b-b.pdf")


async def test_kept_files_are_for_our_eyes_only(bureau):
    await bureau.office.printed(dossier())
    (file,) = bureau.folder.iterdir()
    assert file.stat().st_mode & 0o077 == 0
    assert bureau.folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("name", list(states()))
async def test_every_kind_of_report_can_be_sealed(bureau, name):
    printed = await bureau.office.printed(dossier(name))
    assert verified(printed.pdf, NOW + HOUR).verdict is Verdict.VALID
