import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from gateway.reports import html
from gateway.reports.build import build, contact_of
from gateway.reports.model import Contact, DocumentFacts, Dossier, Subject
from gateway.reports.words import HEADLINES, LEGAL
from gateway.trust.pictures import PagePicture, Pictures
from gateway.trust.report import Note, PartReport, Verdict
from tests.world.made_reports import AT, EVIL, bad, evil, report, signature, states

VOID = {"meta", "input", "img", "br", "hr", "link"}
PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 100


class Page(HTMLParser):
    """Reads a page strictly: every element closed in its turn, every id once."""

    def __init__(self, data):
        super().__init__()
        self.open, self.tags, self.ids, self.text, self.links = [], [], [], [], []
        self.feed(data.decode())
        self.close()
        assert self.open == []
        assert len(self.ids) == len(set(self.ids)), "an id stands twice"

    def handle_starttag(self, tag, attrs):
        given = dict(attrs)
        self.tags.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        if "href" in given:
            self.links.append(given["href"])
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)

    @property
    def words(self):
        return " ".join(" ".join(self.text).split())


def made(*reports, **rest):
    files = tuple(
        r if isinstance(r, Subject) else Subject(f"t{i}.pdf", r, i) for i, r in enumerate(reports)
    )
    return Dossier(files, **rest)


HEADLINE = {
    "valid": "valid",
    "secret": "valid",
    "noted": "valid-with-notes",
    "hash": "invalid",
    "revoked": "invalid",
    "changed": "invalid",
    "nobody": "invalid",
    "container": "invalid",
    "unsigned": "unsigned",
    "unreadable": "unreadable",
}


@pytest.mark.parametrize("name", list(states()))
@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_state_is_a_whole_page(name, lang):
    data = html.render(made(states()[name], lang=lang))
    page = Page(data)
    headline = HEADLINES[HEADLINE.get(name, "undetermined")]
    assert headline.words.vi in page.words
    assert headline.words.en in page.words
    assert headline.icon in page.words  # the colour is never alone
    assert ("html", {"lang": lang}) in page.tags
    checked = [a["id"] for tag, a in page.tags if tag == "input" and "checked" in a]
    assert checked == [f"lang-{lang}"]
    assert not [tag for tag, _ in page.tags if tag == "script"]
    assert len(data) < 100_000


def test_the_states_say_what_they_must():
    words = {name: Page(html.render(made(r))).words for name, r in states().items()}
    assert "CHƯA XÁC ĐỊNH ĐƯỢC" in words["later"]
    assert "tự kiểm tra lại" in words["later"]
    assert "R04" in words["hash"]
    assert "lộ khóa" in words["revoked"]
    assert "Trang 1 có dấu độ mật: MẬT" in words["secret"].replace(
        "Page 1 carries a secrecy stamp: ", ""
    )
    assert "ô «So_tien»: «1.000» → «9.000»" in words["filled"]
    assert "nén lồng quá nhiều lớp" in words["container"]
    assert "bang.xlsx" in words["container"]
    assert "(đã quá hạn)" in words["valid"]  # the list's age against the time in question
    assert "2 ngày trước lúc xét" in words["valid"]
    assert "3 phút trước thời gian được chứng minh" in words["valid"]


def test_a_document_has_its_legal_worth_in_words():
    facts = DocumentFacts("H37,1", "original", "412/SNV-VP", "V/v họp", "Sở Nội vụ", AT)
    words = Page(html.render(made(states()["valid"], facts=facts))).words
    assert "có giá trị pháp lý như bản gốc văn bản giấy" in words
    assert "412/SNV-VP" in words
    assert "22/11/2026 12:00:00 +07:00" in words
    assert set(LEGAL) == {
        "original", "copy", "reference", "unsigned", "invalid", "undetermined"
    }  # fmt: skip


def test_a_document_takes_the_worst_of_its_files():
    by = states()
    assert build(made(by["valid"], by["unsigned"])).state == "valid"
    assert build(made(by["unsigned"], by["valid"])).state == "unsigned"
    assert build(made(by["valid"], by["noted"])).state == "valid-with-notes"
    assert build(made(by["valid"], by["later"])).state == "undetermined"
    assert build(made(by["later"], by["hash"])).state == "invalid"
    assert build(made(by["unreadable"], by["later"])).state == "undetermined"
    assert build(made()).state == "unsigned"
    waiting = build(made(Subject("a.pdf", None), facts=DocumentFacts(pending=True)))
    assert (waiting.state, waiting.files[0].state) == ("pending", "pending")
    assert build(made(Subject("a.docx", None))).state == "unsigned"


def test_a_document_is_told_what_its_worst_file_is_told():
    by = states()
    view = build(made(by["valid"], by["hash"], contact=Contact("B", "1")))
    assert view.told == view.files[1].told
    assert view.told.refusal == "R04"


# ---------------------------------------------------------------- strangers' words


def test_nothing_a_stranger_wrote_becomes_markup():
    facts = DocumentFacts(EVIL, "original", EVIL, EVIL, EVIL, AT)
    links = {0: "verification/files/0/signed/0"}
    subject = Subject(EVIL, evil(), 0, signed_links=links)
    dossier = made(subject, facts=facts, contact=contact_of(EVIL, EVIL), gateway=EVIL)
    data = html.render(dossier)
    page = Page(data)
    tags = {tag for tag, _ in page.tags}
    assert not tags & {"script", "img", "iframe", "object", "link"}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    text = data.decode()
    for sign in ("\u202e", "\x00", "\x1b", "<script", "<img"):
        assert sign not in text
    assert "{{7*7}}" in page.words
    assert "&amp;amp;" in text


@pytest.mark.parametrize("lang", ["vi", "en", '"><script>'])
def test_the_language_is_one_of_two(lang):
    assert "<script" not in html.render(made(states()["valid"], lang=lang)).decode()


def test_long_words_and_long_lists_are_cut():
    long = "Rất dài " * 4000
    one = signature(
        field=long,
        signer=replace(signature().signer, common_name=long, subject=long, organization=long),
        notes=tuple(Note(f"n{i}", long, long) for i in range(300)),
        changes=signature().changes * 3,
    )
    many = report(
        *[one] * 200,
        verdict=Verdict.INVALID,
        parts=tuple(PartReport(long, bad("HASH_FAILURE")) for _ in range(400)),
    )
    dossier = made(Subject(long, many, 0), facts=DocumentFacts(long, "", long, long, long))
    data = html.render(dossier)
    assert len(data) < 2_000_000
    page = Page(data)
    assert max(len(word) for word in page.text) < 700
    assert "Còn 180 chữ ký không hiện ở đây" in page.words
    assert "Còn 350 tệp bên trong" in page.words


def test_parts_inside_parts_end():
    inner = bad("HASH_FAILURE", Verdict.INVALID)
    for _ in range(30):
        inner = report(verdict=Verdict.INVALID, kind="zip", parts=(PartReport("z.zip", inner),))
    page = Page(html.render(made(inner)))
    assert "KHÔNG HỢP LỆ" in page.words


# ---------------------------------------------------------------- policy, pictures, links


def test_the_policy_admits_our_styles_and_nothing_else():
    text = html.render(made(states()["valid"])).decode()
    policy = html.content_security_policy()
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    assert html.digest_source(style) in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"""style=["']""", text)
    assert not re.findall(
        r"(?:https?:)?//(?!www\.w3\.org)[a-z]",
        re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL),
    )
    assert "@import" not in style
    assert "url(" not in style


def test_a_page_is_drawn_once_and_each_signature_marked_on_it():
    pictures = Pictures(
        {1: PagePicture(PNG, 400, 566)}, {0: (10.0, 20.0, 30.0, 40.0), 1: (50.0, 60.0, 7.0, 8.0)}
    )
    both = report(signature(), signature(field="CoQuan"))
    text = html.render(made(Subject("a.pdf", both, 0, pictures))).decode()
    page = Page(text.encode())
    assert text.count("data:image/png;base64,") == 1
    marks = [a for tag, a in page.tags if tag == "rect"]
    assert [(m["x"], m["y"]) for m in marks] == [("10.0", "20.0"), ("50.0", "60.0")]
    assert [link for link in page.links if link == "#t0-p1"] == ["#t0-p1", "#t0-p1"]
    pictured = [a for tag, a in page.tags if tag == "svg" and "role" in a]
    assert all(a["aria-labelledby"] in page.ids for a in pictured)


def test_what_was_signed_can_be_had_where_there_is_a_link():
    link = "verification/files/0/signed/0"
    one = report(signature())
    with_link = Page(html.render(made(Subject("a.pdf", one, 0, signed_links={0: link}))))
    assert [x for x in with_link.links if x == link] == [link, link]  # card and saved state
    without = Page(html.render(made(one)))
    assert not [x for x in without.links if "signed" in x]


def test_the_same_dossier_gives_the_same_bytes():
    assert html.render(made(states()["valid"])) == html.render(made(states()["valid"]))


# ---------------------------------------------------------------- contrast


def colours(block):
    return dict(re.findall(r"--([\w-]+):(#[0-9a-f]{3,6})", block))


def luminance(colour):
    digits = colour[1:]
    if len(digits) == 3:
        digits = "".join(d * 2 for d in digits)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    lights = sorted((luminance(one), luminance(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def themes():
    blocks = re.findall(r":root\{(.*?)\}", html.asset("report.css"), re.DOTALL)
    assert len(blocks) == 3
    light = colours(blocks[0])
    return {
        "light": light,
        "dark": light | colours(blocks[1]),
        "print": light | colours(blocks[2]),
    }


@pytest.mark.parametrize("theme", ["light", "dark", "print"])
def test_contrast_is_that_of_wcag_aa(theme):
    found = themes()[theme]
    pairs = [(t, g) for t in ("ink", "soft", "link") for g in ("paper", "ground")]
    pairs += [
        (tone, ground)
        for tone in ("good", "doubt", "bad", "none")
        for ground in (f"{tone}-bg", "paper")
    ]
    pairs += [("ink", f"{tone}-bg") for tone in ("good", "doubt", "bad", "none")]
    pairs += [("soft", f"{tone}-bg") for tone in ("good", "doubt", "bad", "none")]
    weak = {pair: contrast(found[pair[0]], found[pair[1]]) for pair in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


def test_a_weak_contrast_would_be_seen():
    assert contrast("#777", "#fff") < 4.5 < contrast("#000", "#fff") <= 21.01
