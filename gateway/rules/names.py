"""Names of agencies and people in the form in which two spellings are one (SIG-51).

What does not change a name: Unicode form, letter case, spaces and punctuation, where a tone mark
stands (hoà/hòa, uỷ/ủy), usual abbreviations (UBND, HĐND, Sở GD&ĐT), titles before a person's name.
What does: every letter and accent. Where an abbreviation nobody listed stands in the way the answer
is "unknown", never a guess. Pure.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final

from gateway.domain.identifiers import CodeKind, classify, fold
from gateway.rules.facts import AgencyNames, CertificateLike

# Ngang is no mark; the five others, in canonical decomposition.
_TONES: Final = frozenset("\u0300\u0301\u0303\u0309\u0323")
_STEPS: Final = 4
_MAX_LENGTH: Final = 400

ABBREVIATIONS: Final = {
    "UBND": "Ủy ban nhân dân",
    "UBMTTQ": "Ủy ban Mặt trận Tổ quốc",
    "MTTQ": "Mặt trận Tổ quốc",
    "HĐND": "Hội đồng nhân dân",
    "ĐBQH": "Đại biểu Quốc hội",
    "VP": "Văn phòng",
    "VPCP": "Văn phòng Chính phủ",
    "VPUB": "Văn phòng Ủy ban nhân dân",
    "BQL": "Ban Quản lý",
    "BQLDA": "Ban Quản lý dự án",
    "TTHCC": "Trung tâm hành chính công",
    "TTPVHCC": "Trung tâm Phục vụ hành chính công",
    "TAND": "Tòa án nhân dân",
    "VKSND": "Viện kiểm sát nhân dân",
    "BHXH": "Bảo hiểm xã hội",
    "KBNN": "Kho bạc Nhà nước",
    "NHNN": "Ngân hàng Nhà nước",
    "LĐLĐ": "Liên đoàn Lao động",
    "BCH": "Ban Chấp hành",
    "BCĐ": "Ban Chỉ đạo",
    "CNTT": "Công nghệ thông tin",
    "TTĐT": "thông tin điện tử",
    "GDĐT": "Giáo dục Đào tạo",
    "GD ĐT": "Giáo dục Đào tạo",
    "KHĐT": "Kế hoạch Đầu tư",
    "KH ĐT": "Kế hoạch Đầu tư",
    "KHCN": "Khoa học Công nghệ",
    "KH CN": "Khoa học Công nghệ",
    "TTTT": "Thông tin Truyền thông",
    "TT TT": "Thông tin Truyền thông",
    "TNMT": "Tài nguyên Môi trường",
    "TN MT": "Tài nguyên Môi trường",
    "NNMT": "Nông nghiệp Môi trường",
    "NN MT": "Nông nghiệp Môi trường",
    "NNPTNT": "Nông nghiệp Phát triển nông thôn",
    "NN PTNT": "Nông nghiệp Phát triển nông thôn",
    "LĐTBXH": "Lao động Thương binh Xã hội",
    "LĐTB XH": "Lao động Thương binh Xã hội",
    "LĐ TB XH": "Lao động Thương binh Xã hội",
    "VHTTDL": "Văn hóa Thể thao Du lịch",
    "VH TT DL": "Văn hóa Thể thao Du lịch",
    "VHTT": "Văn hóa Thể thao",
    "GTVT": "Giao thông vận tải",
    "GTCC": "Giao thông công chính",
    "DTTG": "Dân tộc Tôn giáo",
    "DT TG": "Dân tộc Tôn giáo",
    "TP": "thành phố",
    "TX": "thị xã",
    "TW": "Trung ương",
    "HCM": "Hồ Chí Minh",
}
"""Usual abbreviations; without «và», as `words` drops it. "CA", "CT", "TT" alone mean too much."""

_DROPPED: Final = ("và", "của")
_KINDS: Final = (
    *("tỉnh", "thành phố", "quận", "huyện", "thị xã"),
    *("xã", "phường", "thị trấn", "đặc khu"),
)
_PROVINCIAL: Final = ("tỉnh", "thành phố")
_HONORIFICS: Final = (
    *("ông", "bà", "đ c", "đồng chí", "gs", "pgs", "ts", "ths", "cn", "ks", "bs", "bscki"),
    *("bsckii", "ls", "tskh", "giáo sư", "phó giáo sư", "tiến sĩ", "thạc sĩ", "bác sĩ"),
    *("thiếu tướng", "trung tướng", "đại tướng", "thượng tướng"),
    *("đại tá", "thượng tá", "trung tá", "thiếu tá", "đại úy", "thượng úy"),
)
_ASIDE: Final = re.compile(r"<[^>]*>|\([^)]*\)")
_CLERK: Final = "văn thư"


class Match(StrEnum):
    """Whether a certificate is of an agency."""

    MATCH = "match"
    MISMATCH = "mismatch"
    UNKNOWN = "unknown"


# ---------------------------------------------------------------- letters


@lru_cache(maxsize=4096)
def folded(text: str) -> str:
    """Return the comparison form of a name; folding it again changes nothing.

    Words in small letters apart by one space, each with its tone mark last, decomposed. For
    comparing only, never for showing.
    """
    for _ in range(_STEPS):
        once = _fold(text)
        if once == text:
            break
        text = once
    return text


def _fold(text: str) -> str:
    shown = "".join(c for c in text if unicodedata.category(c) != "Cf")
    plain = unicodedata.normalize("NFKC", shown).casefold().replace("&", " và ")
    apart = (
        c if unicodedata.category(c)[0] in "LMN" else " "
        for c in unicodedata.normalize("NFD", plain)
    )
    return " ".join(_tone_last(word) for word in "".join(apart).split() if _has_letter(word))


def _has_letter(word: str) -> bool:
    """Tell whether a word is more than accents on nothing."""
    return any(unicodedata.category(c)[0] != "M" for c in word)


def _tone_last(word: str) -> str:
    """TCVN 6909 leaves open on which vowel a tone stands: hoà and hòa are one word."""
    tones = sorted(c for c in word if c in _TONES)
    return unicodedata.normalize("NFD", "".join([c for c in word if c not in _TONES] + tones))


def bare(text: str) -> str:
    """Return the comparison form without any accent, for names written without them."""
    letters = (c for c in folded(text) if unicodedata.category(c)[0] != "M")
    return "".join(letters).replace("đ", "d")


def contains(text: str, part: str) -> bool:
    """Tell whether a text has these words in a row; False for no words."""
    wanted = folded(part)
    return bool(wanted) and f" {wanted} " in f" {folded(text)} "


# ---------------------------------------------------------------- people


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are one person's; titles, remarks in brackets and e-mail set aside.

    A name written without any accent is compared without them.
    """
    left, right = _person(one), _person(other)
    if not left or not right:
        return False
    if left == right:
        return True
    unaccented = bare(left) == left or bare(right) == right
    return unaccented and bare(left) == bare(right)


def _person(text: str) -> str:
    name = folded(_ASIDE.sub(" ", text[:_MAX_LENGTH]))
    while True:
        title = next((t for t in _TITLES if name.startswith(t + " ")), "")
        if not title:
            return name
        name = name.removeprefix(title).strip()


_TITLES: Final = tuple(folded(title) for title in _HONORIFICS)

# ---------------------------------------------------------------- agencies


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a name, and the kind of place it begins ("tỉnh" of "tỉnh Lạng Sơn"), or ""."""

    text: str
    kind: str = ""

    def fits(self, other: "Word") -> bool:
        """Tell whether two words may be the same; a kind left out contradicts nothing."""
        kinds = self.kind == other.kind or not self.kind or not other.kind
        return kinds and self.text == other.text


Words = tuple[Word, ...]


@lru_cache(maxsize=4096)
def words(text: str) -> Words:
    """Return the words of an agency's name, abbreviations written out."""
    return _kinds(_expanded(_tokens(text[:_MAX_LENGTH])))


def _tokens(text: str) -> tuple[str, ...]:
    return tuple(t for t in folded(text).split() if t not in _LEFT_OUT)


_LEFT_OUT: Final = frozenset(folded(t) for t in _DROPPED)
_LONG_FORMS: Final = {_tokens(k): _tokens(v) for k, v in ABBREVIATIONS.items()}
_LONGEST: Final = max(map(len, _LONG_FORMS))
_KIND_WORDS: Final = tuple(tuple(folded(k).split()) for k in _KINDS)
_PROVINCIAL_WORDS: Final = frozenset(folded(k) for k in _PROVINCIAL)


def _expanded(tokens: tuple[str, ...]) -> tuple[str, ...]:
    found: list[str] = []
    at = 0
    while at < len(tokens):
        for size in range(_LONGEST, 0, -1):
            whole = _LONG_FORMS.get(tokens[at : at + size])
            if whole is not None:
                found += whole
                break
        else:
            size = 1
            found.append(tokens[at])
        at += size
    return tuple(found)


def _kinds(tokens: tuple[str, ...]) -> Words:
    found: list[Word] = []
    at = 0
    while at < len(tokens):
        kind = next((k for k in _KIND_WORDS if tokens[at : at + len(k)] == k), ())
        if kind and at + len(kind) < len(tokens):
            at += len(kind)
            found.append(Word(tokens[at], " ".join(kind)))
        else:
            found.append(Word(tokens[at]))
        at += 1
    return tuple(found)


def same_agency(one: str, other: str) -> bool:
    """Tell whether two names are one, but for how they are written."""
    return _same(words(one), words(other))


def _same(one: Words, other: Words) -> bool:
    return (
        bool(one)
        and len(one) == len(other)
        and all(a.fits(b) for a, b in zip(one, other, strict=True))
    )


def _begins(longer: Words, shorter: Words) -> bool:
    return 0 < len(shorter) < len(longer) and _same(longer[: len(shorter)], shorter)


def _has(context: Iterable[Words], part: Words) -> bool:
    return any(
        _same(one[at : at + len(part)], part)
        for one in context
        for at in range(len(one) - len(part) + 1)
    )


def _provinces(context: Iterable[Words]) -> set[str]:
    """Return the provinces (and cities) some names speak of, kind and name."""
    found = set()
    for one in context:
        for at, word in enumerate(one):
            if word.kind in _PROVINCIAL_WORDS:
                rest = [word, *one[at + 1 :]]
                end = next((n for n, w in enumerate(rest) if n and w.kind), len(rest))
                found.add(f"{word.kind}: {' '.join(w.text for w in rest[:end])}")
    return found


def _contradict(one: Sequence[Words], other: Sequence[Words]) -> bool:
    """Tell whether two surroundings name different provinces."""
    ours, theirs = _provinces(one), _provinces(other)
    pairs = [(a, b) for a in ours for b in theirs if a.split(":")[0] == b.split(":")[0]]
    return bool(pairs) and not any(a.startswith(b) or b.startswith(a) for a, b in pairs)


def compare(sender: AgencyNames, holder: CertificateLike, *, is_clerk: bool = False) -> Match:
    """Tell whether a body's certificate is that of a sender.

    Args:
        sender: Its codes and names.
        holder: The certificate; its common name is the holder, O, OU and L only its surroundings.
        is_clerk: A leading "Văn thư" of the common name is not part of the agency's name.

    Source: SIG-51 (QĐ28 art 9.1); comparison as FMT-07 asks.
    """
    told = _by_identifiers(sender, holder.identifiers)
    if told is not None:
        return told
    common = words(holder.common_name)
    if is_clerk and _begins(common, words(_CLERK)):
        common = common[len(words(_CLERK)) :]
    around = [words(t) for t in (holder.organization, *holder.units, holder.locality) if t]
    above = [words(t) for t in sender.above]
    answers = {_compare(words(name), above, common, around) for name in sender.names if name}
    for answer in (Match.MATCH, Match.UNKNOWN, Match.MISMATCH):
        if answer in answers:
            return answer
    return Match.UNKNOWN


def may_be_same(one: str, other: str, above: Iterable[str] = ()) -> bool:
    """Tell whether nothing speaks against two names being one agency's.

    Args:
        one: A name.
        other: Another.
        above: Names of the bodies above the agency.
    """
    around = [words(name) for name in above]
    return _compare(words(other), around, words(one), []) is not Match.MISMATCH


def _by_identifiers(sender: AgencyNames, identifiers: Iterable[str]) -> Match | None:
    """Compare numbers that are agency codes; budget and tax numbers the catalogue has not."""
    told = None
    for written in identifiers:
        code = fold(written.partition(":")[2] or written)
        if code in sender.codes or code in sender.other_codes:
            return Match.MATCH
        if "." in code and classify(code) in {CodeKind.NEW, CodeKind.LEGACY}:
            told = Match.MISMATCH
    return told


def _compare(name: Words, above: list[Words], common: Words, around: list[Words]) -> Match:
    if not name or not common:
        return Match.UNKNOWN
    for parent in above:
        # "UBND tỉnh Lạng Sơn - Sở Nội vụ": who is above stands first.
        if _begins(common, parent):
            rest = common[len(parent) :]
            if _compare(name, [], rest, [*around, parent]) is Match.MATCH:
                return Match.MATCH
    elsewhere = _contradict([name, *above], [common, *around])
    if _same(common, name):
        return Match.MISMATCH if elsewhere else Match.MATCH
    for longer, shorter, where in ((name, common, around), (common, name, above)):
        if _begins(longer, shorter):
            rest = longer[len(shorter) :]
            if _has(where, rest):
                return Match.MATCH
            if elsewhere:
                return Match.MISMATCH
            # "Sở Nội vụ" alone may be of any province: a place not told is no contradiction.
            return Match.UNKNOWN
    if any(_same(common, parent) for parent in above):
        return Match.UNKNOWN  # of the body above, which may have lent its seal
    if _abbreviates(common, name) or _abbreviates(name, common):
        return Match.UNKNOWN  # "SNV": Sở Nội vụ or Sở Ngoại vụ
    return Match.MISMATCH


def _abbreviates(short: Words, long: Words) -> bool:
    """Tell whether a name, or its beginning, may be another with words cut to first letters."""
    at, cut = 0, False
    for word in short:
        if at >= len(long):
            break
        letters = bare(word.text)
        if word.fits(long[at]):
            at += 1
        elif len(letters) > 1 and letters == _initials(long[at : at + len(letters)]):
            at, cut = at + len(letters), True
        else:
            return False
    return cut


def _initials(found: Words) -> str:
    return "".join(bare(word.text)[:1] for word in found)
