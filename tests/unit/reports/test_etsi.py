import base64

import pytest
from lxml import etree

from gateway.reports import etsi
from gateway.reports.model import Dossier, Subject
from gateway.trust.report import Verdict
from tests.world.etsi_bindings import bindings, faults
from tests.world.made_reports import EVIL, bad, evil, report, signature, states

NS = {"v": etsi.VR, "ds": etsi.DS, "x": etsi.XADES}


def made(*reports):
    return Dossier(tuple(Subject(f"t{i}.pdf", r, i) for i, r in enumerate(reports)))


def parsed(*reports):
    root = etree.fromstring(etsi.render(made(*reports)))
    assert faults(root, bindings().ValidationReport) == []
    return root


def texts(root, path):
    return [e.text for e in root.iterfind(path, NS)]


@pytest.mark.parametrize("name", list(states()))
def test_every_state_reads_back_through_the_bindings(name):
    root = parsed(states()[name])
    assert texts(
        root, ".//v:SignatureValidationReport/v:SignatureValidationStatus/v:MainIndication"
    )


def test_the_bindings_would_see_a_fault():
    root = etree.fromstring(etsi.render(made(states()["valid"])))
    one = root.find("v:SignatureValidationReport", NS)
    one.insert(0, one[-1])  # the status before the identifier
    found = faults(root, bindings().ValidationReport)
    assert any("unexpected" in fault for fault in found)
    again = etree.fromstring(etsi.render(made(states()["valid"])))
    info = again.find(".//v:ValidationTimeInfo", NS)
    info.remove(info[0])
    assert any("ValidationTime missing" in f for f in faults(again, bindings().ValidationReport))


def test_what_a_good_signature_says():
    root = parsed(states()["valid"])
    assert texts(
        root, "v:SignatureValidationReport/v:SignatureValidationStatus/v:MainIndication"
    ) == ["urn:etsi:019102:mainindication:total-passed"]
    assert not texts(root, ".//v:SubIndication")
    assert texts(root, ".//v:ValidationTime") == ["2026-11-22T05:00:00Z"]
    assert texts(root, ".//v:POETime") == ["2026-11-20T02:30:00Z"]
    assert texts(root, ".//v:SigningTime/v:Time") == ["2026-11-20T02:27:00Z"]
    digest = base64.b64encode(bytes.fromhex("e1" * 32)).decode()
    assert texts(root, ".//v:SignersDocument/v:DigestAlgAndValue/ds:DigestValue") == [digest]
    assert texts(root, ".//v:PolicyName") == ["TT15 2025-01-01"]
    answers = texts(root, ".//v:ValidationConstraint/v:ValidationStatus/v:MainIndication")
    assert answers == ["urn:etsi:019102:mainindication:passed"] * 4
    objects = {e.get("id") for e in root.iterfind(".//v:ValidationObject", NS)}
    referred = {
        reference for e in root.iter() for reference in (e.get("VOReference") or "").split()
    }
    assert referred <= objects
    assert {f"crl-{'c1' * 32}", f"certificate-{'d1' * 32}", f"timestamp-{'1f' * 32}"} <= objects
    anchor = root.find(".//v:TrustAnchor", NS)
    assert anchor.get("VOReference") == f"certificate-{'d1' * 32}"


def test_a_claimed_time_is_no_proof_of_existence():
    root = parsed(states()["noted"])
    assert texts(root, ".//v:POETime") == ["2026-11-22T05:00:00Z"]


def test_our_verdict_is_the_main_indication_and_the_other_stands_beside_it():
    root = parsed(states()["changed"])
    assert texts(
        root, "v:SignatureValidationReport/v:SignatureValidationStatus/v:MainIndication"
    ) == ["urn:etsi:019102:mainindication:total-failed"]
    assert texts(root, ".//v:SubIndication") == ["urn:vanlien:subindication:CHANGED_AFTER_SIGNING"]
    data = dict(
        zip(
            texts(root, ".//v:ReportData/v:Type"),
            texts(root, ".//v:ReportData/v:Value"),
            strict=True,
        )
    )
    assert data["urn:vanlien:reportdata:ades-indication"] == "TOTAL-PASSED"
    assert data["urn:vanlien:reportdata:verdict"] == "invalid"


def test_a_revoked_certificate_has_its_time_and_reason():
    root = parsed(states()["revoked"])
    assert texts(root, ".//v:SubIndication") == ["urn:etsi:019102:subindication:REVOKED"]
    assert texts(root, ".//v:RevocationTime") == ["2026-11-20T02:30:00Z"]
    assert texts(root, ".//v:RevocationReason") == ["key_compromise"]


def test_no_signature_is_said_so():
    assert texts(parsed(states()["unsigned"]), ".//v:MainIndication") == [etsi.NO_SIGNATURE]
    root = etree.fromstring(etsi.render(Dossier((Subject("a.docx", None),))))
    assert faults(root, bindings().ValidationReport) == []
    assert texts(root, ".//v:MainIndication") == [etsi.NO_SIGNATURE]
    assert faults(etree.fromstring(etsi.render(Dossier(()))), bindings().ValidationReport) == []


def test_all_files_and_all_parts_are_told():
    root = parsed(
        states()["container"], states()["valid"], report(signature(), signature(field="B"))
    )
    names = texts(root, ".//v:DAIdentifier")
    assert names == [
        "t0.pdf/cong-van.pdf#NguoiKy",
        "t0.pdf/bang.xlsx",
        "t1.pdf#NguoiKy",
        "t2.pdf#NguoiKy",
        "t2.pdf#B",
    ]


def test_strangers_words_stay_text():
    root = parsed(evil())
    assert not [e for e in root.iter() if e.tag.endswith(("script", "img"))]
    text = etsi.render(made(evil())).decode()
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert "<script" not in text
    assert EVIL not in text


def test_the_same_gives_the_same_bytes():
    assert etsi.render(made(bad("TRY_LATER"))) == etsi.render(made(bad("TRY_LATER")))


def test_every_verdict_has_an_indication():
    assert set(etsi.MAIN) == set(Verdict) - {Verdict.UNSIGNED}
