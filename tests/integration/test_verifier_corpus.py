"""The corpus suite: every sample file beside the project, expected against got.

Fails on any wrong accept, any crash, any hang; the confusion tables are printed (`pytest -s`) and
written to docs/corpus.md by `make corpus`. What was made to hurt: test_hostile_files.py.
"""

from pathlib import Path

import pytest

from tests.world import corpus
from tests.world.corpus import CORPUS

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not CORPUS.is_dir(), reason="no sample corpus beside the project"),
]

OWN_SUBS = {
    "f01": "REVOKED_NO_POE",
    "f04": "NOT_YET_VALID",
    "f05": "CRYPTO_CONSTRAINTS_FAILURE",
    "f07": "NO_CERTIFICATE_CHAIN_FOUND",
    "f09": "CHAIN_CONSTRAINTS_FAILURE",
    "t01": "HASH_FAILURE",
    "t14": "FORMAT_FAILURE",
}
OWN_NOTES = {
    "f01": "revoked",
    "f11": "claimed-differs",
    "f13": "name-differs",
    "t03": "page-changed",
    "t05": "page-changed",
    "t07": "docmdp-violated",
    "t10": "hidden-signature",
    "t12": "unlisted-object",
    "t16": "byte-range",
    "t18": "unexplained-bytes",
    "v01": "claimed-time",
    "v13": "fields-filled",
}
OWN_CHANGES = {
    "t03": ("page-changed", 1, "", "", ""),
    "t05": ("page-added", 4, "", "", ""),
    "v05": ("signature", 1, "CoQuan", "", "signed"),
    "v13": ("form-filling", 1, "GhiChu", "", "Đã điền sau khi ký"),
}


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    return corpus.run_own(tmp_path_factory.mktemp("trust"))


@pytest.fixture(scope="module")
def public():
    return corpus.run_public()


def _printed(name: str, rows) -> None:
    print("\n".join(["", f"== {name}", *corpus.confusion(rows)]))


def _codes(got) -> frozenset:
    return got.notes.union(*(s["notes"] for s in got.signatures))


def test_our_own_set_has_the_verdicts_of_the_manifest(own):
    rows = [(corpus.expected_own(g.file), g) for g in own]
    _printed("own", rows)
    assert len(rows) == 27
    assert [g.trouble for g in own if g.trouble] == []
    assert corpus.wrong(rows) == []


def test_our_own_set_is_told_in_the_right_words(own):
    for got in own:
        key = Path(got.file).name[:3]
        assert key not in OWN_NOTES or OWN_NOTES[key] in _codes(got), (got.file, _codes(got))
        subs = [s["sub"] for s in got.signatures]
        assert key not in OWN_SUBS or subs[0] == OWN_SUBS[key], got.file
        changes = [c for s in got.signatures for c in s["changes"]]
        assert key not in OWN_CHANGES or OWN_CHANGES[key] in changes, (got.file, changes)
    seal = next(g for g in own if "v05" in g.file)
    assert [s["role"] for s in seal.signatures] == ["person", "organization"]


def test_real_government_documents_are_intact_and_chained():
    got = corpus.run_vietnamese()
    assert len(got) == 5
    for one in got:
        (signature,) = one.signatures
        assert (one.verdict, one.trouble) == ("indeterminate", ""), one.file
        assert (signature["intact"], signature["trusted"]) == ("yes", "yes"), one.file
        assert signature["sub"] == "TRY_LATER", one.file
        assert signature["role"] in {"organization", "portal"}, one.file
        assert signature["level"] == "PKCS7-B-T", one.file
        assert {"local-time-as-utc", "sha1-imprint"} <= signature["notes"], one.file
        assert "claimed-differs" not in signature["notes"], one.file


def test_no_public_file_crashes_hangs_or_is_wrongly_accepted(public):
    assert len(public) > 200
    assert [(g.file, g.trouble) for g in public if g.trouble] == []
    wrong = []
    for name in corpus.SETS:
        files = set(corpus.public(name))
        rows = [(corpus.expected_public(g.file), g) for g in public if g.file in files]
        _printed(name, rows)
        wrong += corpus.wrong(rows)
    assert wrong == []


def test_the_public_run_is_generous_enough_to_show_a_wrong_accept(public):
    # With nothing trusted nothing could be accepted at all.
    valid = [g for g in public if g.verdict == "valid"]
    trusted = [s for g in public for s in g.signatures if s["trusted"] == "yes"]
    assert len(valid) > 40
    assert len(trusted) > 150


def test_public_files_agree_on_integrity(public):
    wrong = []
    for got in public:
        expected = (corpus.manifest()[got.file].get("expected") or {}).get("per_signature") or []
        ours = {s["field"]: s["intact"] for s in got.signatures}
        wrong += [
            (got.file, row["field"])
            for row in expected
            if {True: "no", False: "yes"}.get(row["integrity"]) == ours.get(row["field"], "?")
        ]
    assert wrong == []


def test_the_attacks_of_the_papers_are_told_by_name(public):
    by_name = {Path(g.file).name: g for g in public}
    replaced = by_name["replace.pdf"]
    assert "form-filling" in {c[0] for c in replaced.signatures[0]["changes"]}
    assert "Text1" in {c[2] for c in replaced.signatures[0]["changes"]}
    assert "fields-filled" in _codes(replaced)
    assert "two-certifications" in _codes(by_name["twoCertificationSignatures.pdf"])
    assert "odd-key" in _codes(by_name["hellopades-lt-b.pdf"])
    assert replaced.verdict != "valid"
