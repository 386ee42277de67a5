"""What the rules say of who signed, and apart from it how it looks, in the report's first table."""

from gateway.reports.advice import Words
from gateway.reports.build import build
from gateway.reports.model import DocumentFacts, Dossier
from gateway.web.studio import facts_of

WHO = "Bên ký so với gói tin"
FORM = "Thể thức, chỉ để lưu ý"


def finding(rule, vi="vi", en="en"):
    return {"rule": rule, "severity": "warning", "where": "", "vi": vi, "en": en, "refusal": ""}


def rows(facts):
    view = build(Dossier((), facts))
    return [(r.label.vi, r.value.vi) for r in view.facts if r.label.vi in {WHO, FORM}]


def test_findings_of_the_document_are_told_in_two_kinds():
    document = {
        "findings": [
            finding("SIG-51", "khác tên"),
            finding("SIG-04b", "không phải cơ quan ủy quyền"),
            finding("SIG-21", "màu xanh"),
            finding("SIG-07", "phụ lục"),
            finding("MD-01"),
        ]
    }
    facts = facts_of(document, "original", pending=False)
    assert rows(facts) == [
        (WHO, "khác tên"),
        (WHO, "không phải cơ quan ủy quyền"),
        (FORM, "màu xanh"),
    ]


def test_a_document_of_those_named_says_so():
    facts = facts_of({"findings": []}, "original", pending=False)
    assert rows(facts) == [(WHO, "Khớp với bên gửi trong gói tin")]
    assert rows(facts_of({}, "reference", pending=False)) == []
    assert rows(facts_of({}, "", pending=True)) == []


def test_a_strangers_words_are_cleaned_and_bounded():
    said = tuple(Words(f"<b>\u202e{n}" + "x" * 2000, "en") for n in range(30))
    found = rows(DocumentFacts(holders=said, appearance=said))
    assert len(found) == 12
    assert all(len(value) <= 601 and "\u202e" not in value for _, value in found)
