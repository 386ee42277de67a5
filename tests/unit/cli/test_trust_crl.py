"""`vanlien trust import-crl|crls|fetch`: revocation lists by hand."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.__main__ import main
from gateway.verifier.trusted import index_identity
from tests.world.revocation_lists import DAY, DER, certificate, crl, many, ocsp_answer

PEM = Encoding.PEM
ROOT = certificate("Gốc", ca=True, end=datetime(2040, 1, 1, tzinfo=UTC))
CA = certificate("CA", ROOT, ca=True, end=datetime(2040, 1, 1, tzinfo=UTC))
TWIN = certificate("CA", ROOT, ca=True, label="khóa khác")
SOON = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def trust(tmp_path):
    folder = tmp_path / "trust"
    folder.mkdir()
    for one in (ROOT, CA):
        (folder / f"{one.cert.serial_number}.cer").write_bytes(one.cert.public_bytes(DER))
    return folder


@pytest.fixture
def vanlien_trust(trust, tmp_path, capsys):
    """Run `vanlien trust …`; return the code, the one object or the text."""

    def call(*args, as_json=True):
        folders = ("--trust", str(trust), "--revocation", str(tmp_path / "rev"))
        more = ("--json",) if as_json else ()
        code = main(["trust", *map(str, args), *folders, *more])
        out, err = capsys.readouterr()
        return code, json.loads(out) if as_json else out + err

    return call


def pem(der):
    body = base64.encodebytes(der)
    return b"-----BEGIN X509 CRL-----\n" + body + b"-----END X509 CRL-----\n"


def test_a_list_is_taken_and_told(vanlien_trust, tmp_path):
    (tmp_path / "a.crl").write_bytes(crl(CA, many(3), at=SOON, number=7))
    code, told = vanlien_trust("import-crl", tmp_path / "a.crl")
    (taken,) = told["files"][0]["taken"]
    assert (code, taken["issuer"], taken["number"], taken["entries"]) == (0, "CA", "7", 3)
    assert taken["new"]
    assert taken["this_update"].endswith("+07:00")
    code, told = vanlien_trust("import-crl", tmp_path / "a.crl")
    assert (code, told["files"][0]["taken"][0]["new"]) == (0, False)


def test_a_folder_is_taken_file_by_file_and_every_refusal_says_why(vanlien_trust, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.pem").write_bytes(pem(crl(CA, at=SOON)) + pem(crl(ROOT, at=SOON)))
    (folder / "b.crl").write_bytes(crl(TWIN, at=SOON))
    (folder / "c.crl").write_bytes(b"junk")
    (folder / "d.pem").write_bytes(CA.cert.public_bytes(PEM))
    person = certificate("Người", CA, serial=7)
    (folder / "e.ocsp").write_bytes(ocsp_answer(person, CA, at=SOON))
    code, told = vanlien_trust("import-crl", folder)
    found = {f["file"]: (len(f["taken"]), len(f["refused"])) for f in told["files"]}
    assert found == {"a.pem": (2, 0), "b.crl": (0, 1), "c.crl": (0, 1), "e.ocsp": (1, 0)}
    assert code == 1
    assert all(r["vi"] and r["en"] for f in told["files"] for r in f["refused"])
    code, text = vanlien_trust("import-crl", folder, as_json=False)
    assert code == 1
    assert "TỪ CHỐI / REFUSED" in text
    assert "does not fit" in text


def test_wrong_use_ends_in_64(vanlien_trust, tmp_path):
    (tmp_path / "empty").mkdir()
    for source in ("nowhere.crl", "empty"):
        code, told = vanlien_trust("import-crl", tmp_path / source)
        assert code == 64
        assert told["error"]["message_vi"]


def test_each_authority_is_shown_with_its_list_or_as_missing(vanlien_trust, tmp_path):
    (tmp_path / "a.crl").write_bytes(crl(CA, many(3), at=SOON, number=7))
    vanlien_trust("import-crl", tmp_path / "a.crl")
    code, told = vanlien_trust("crls")
    states = {a["issuer"]: (a["state"], a["number"], a["entries"]) for a in told["authorities"]}
    assert (code, states) == (1, {"CA": ("ok", "7", 3), "Gốc": ("missing", "", 0)})
    (tmp_path / "b.crl").write_bytes(crl(ROOT, at=SOON - 9 * DAY))
    vanlien_trust("import-crl", tmp_path / "b.crl")
    code, text = vanlien_trust("crls", as_json=False)
    assert code == 1
    assert "HẾT HẠN / EXPIRED" in text
    (tmp_path / "b.crl").write_bytes(crl(ROOT, at=SOON))
    vanlien_trust("import-crl", tmp_path / "b.crl")
    code, told = vanlien_trust("crls")
    assert (code, {a["state"] for a in told["authorities"]}) == (0, {"ok"})
    assert all(3500 < a["age_s"] < 7200 for a in told["authorities"])


def test_lists_in_the_trust_folder_count(vanlien_trust, trust):
    for one in (CA, ROOT):
        (trust / f"{one.cert.serial_number}.crl").write_bytes(crl(one, many(2), at=SOON))
    code, told = vanlien_trust("crls")
    assert (code, {a["state"] for a in told["authorities"]}) == (0, {"ok"})


def test_a_broken_index_is_rebuilt(vanlien_trust, tmp_path):
    (tmp_path / "a.crl").write_bytes(crl(CA, at=SOON))
    vanlien_trust("import-crl", tmp_path / "a.crl")
    identity = index_identity(tmp_path / "rev")
    (tmp_path / "rev" / "index.sqlite").write_bytes(b"garbage" * 500)
    code, told = vanlien_trust("import-crl", tmp_path / "a.crl")
    assert code == 64
    code, told = vanlien_trust("crls", "--rebuild")
    assert told["rebuilt"] == {"items": 1, "unverified": []}
    assert index_identity(tmp_path / "rev") == identity


def test_fetch_without_addresses_says_what_to_set(config, capsys):
    code = main(["trust", "fetch", "--once", "--config", str(config), "--json"])
    told = json.loads(capsys.readouterr().out)
    assert code == 64
    assert "[verify.revocation]" in told["error"]["message_vi"]


def test_fetch_tells_what_became_of_each_address(config, capsys):
    with config.open("a", encoding="utf-8") as file:
        file.write('\n[verify.revocation]\nurls = ["http://127.0.0.1:9/a.crl"]\n')
    code = main(["trust", "fetch", "--once", "--config", str(config), "--json"])
    (one,) = json.loads(capsys.readouterr().out)["addresses"]
    assert (code, one["outcome"]) == (1, "failed")
    assert "inside the house" in one["en"]
