"""The table of golden files: each named by its defect, with what must be said of it.

`verdicts` are the readings that are right; one that is not among them is a wrong answer, and
`valid` where it is not listed a wrong accept. `sub` is the sub-indication of the worst signature,
`note` a remark that must be there. `twin` names the good file it was made from: the good one is
valid, and only the defect lies between them.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from tests.golden.signatures import attacks, authority, pages
from tests.golden.signatures.authority import EXPIRED, NOW, REVOKED, SIGNED
from tests.golden.signatures.signing import How, sign

VALID = frozenset({"valid"})
INVALID = frozenset({"invalid"})
UNKNOWN = frozenset({"indeterminate"})
NOT_VALID = frozenset({"invalid", "indeterminate"})
UNSIGNED = frozenset({"unsigned"})
UNREADABLE = frozenset({"unreadable"})
_HALF_YEAR = datetime(2026, 5, 1, tzinfo=UTC)
_BOX = (350, 100, 500, 160)
_OVER_TEXT = (60, 688, 520, 728)


@dataclass(frozen=True)
class Case:
    """One golden file.

    Args:
        make: Its bytes.
        verdicts: The right ones.
        sub: Sub-indication of the worst signature, "" for any.
        note: A remark that must be there, "" for any.
        twin: The good file it was made from, "" for none.
        at: The time the question is asked for.
    """

    make: Callable[[], bytes]
    verdicts: frozenset[str]
    sub: str = ""
    note: str = ""
    twin: str = ""
    at: datetime = NOW


@functools.cache
def build(name: str) -> bytes:
    """Return the bytes of a case; the same every time."""
    return CASES[name].make()


def _good(how: How | None = None, who: str = "person", base: Callable[[], bytes] = pages.plain):
    return lambda: sign(base(), who, how=how)


def _evil(attack: Callable[[bytes], bytes], twin: str):
    return lambda: attack(build(twin))


def _both() -> bytes:
    first = sign(pages.plain(), how=How(level="B-LT"))
    return sign(first, "agency", "CoQuan", How(level="B-LT"))


def _sealed_over_text() -> bytes:
    """A stranger signs a certified document, with a look over its words."""
    return sign(build("certified-p2"), "alone", "KeLa", How(box=_OVER_TEXT))


def _changed_between() -> bytes:
    changed = attacks.isa_rebuilt_table(build("b-t"))
    return sign(changed, "agency", "CoQuan", How())


def _with_ocsp(*, revoked: bool) -> bytes:
    """Evidence of the authority's own answer, put into the file after signing."""
    signed = sign(pages.plain(), "revoked" if revoked else "person", how=How())
    answer = authority.ocsp_answer("revoked" if revoked else "person", SIGNED, revoked=revoked)
    catalogue = signed[signed.rindex(b"1 0 obj") :]
    body = catalogue[len(b"1 0 obj") : catalogue.index(b"endobj")].strip()
    body = body[:-2] + b"/DSS 40 0 R>>"
    return pages.update(
        signed,
        {1: body, 40: b"<</Type/DSS/OCSPs[41 0 R]>>", 41: pages.stream(answer)},
    )


CASES: dict[str, Case] = {
    # ------------------------------------------------ good
    "b-b": Case(_good(How("B-B")), VALID, note="claimed-time"),
    "b-t": Case(_good(), VALID),
    "b-lt": Case(_good(How("B-LT")), VALID),
    "b-lta": Case(_good(How("B-LTA")), VALID),
    "two-signatures": Case(_both, VALID),
    "agency": Case(_good(who="agency"), VALID),
    "pss": Case(_good(How(pss=True)), VALID),
    "ecdsa": Case(_good(who="person ec"), VALID),
    "detached-old-form": Case(_good(How(pades=False)), VALID),
    "signer-only-in-value": Case(_good(How(pades=False, chain=False)), VALID),
    "visible": Case(_good(How(box=_BOX)), VALID),
    "form": Case(_good(base=pages.with_form), VALID),
    "certified-p1": Case(_good(How("B-LT", certify=1)), VALID),
    "certified-p2": Case(_good(How("B-LT", certify=2)), VALID),
    "certified-p3": Case(_good(How("B-LT", certify=3)), VALID),
    "certified-form-p1": Case(_good(How(certify=1), base=pages.with_form), VALID),
    "certified-form-p2": Case(_good(How(certify=2), base=pages.with_form), VALID),
    "hidden-pages-asleep": Case(_good(base=pages.with_hidden_pages), VALID),
    "overlay-asleep": Case(_good(base=pages.with_overlay), VALID),
    "stamped-before-revocation": Case(_good(How("B-T", at=_HALF_YEAR), "revoked"), VALID),
    "archived-before-revocation": Case(_good(How("B-LTA", at=_HALF_YEAR), "revoked"), VALID),
    "archived-before-expiry": Case(
        _good(How("B-LTA", at=datetime(2023, 6, 1, tzinfo=UTC)), "expired"), VALID
    ),
    "hybrid": Case(_good(How(pades=False), base=pages.hybrid), VALID, note="read-leniently"),
    "room-left": Case(_good(How(spare=64)), VALID),
    "ocsp-answer": Case(lambda: _with_ocsp(revoked=False), VALID),
    "form-filled-where-allowed": Case(
        _evil(attacks.field_filled, "certified-form-p2"), VALID, note="fields-filled"
    ),
    # ------------------------------------------------ content and value
    "content-changed": Case(
        _evil(attacks.text_changed, "b-t"), INVALID, "HASH_FAILURE", "content-changed", "b-t"
    ),
    "value-changed": Case(
        _evil(attacks.value_changed, "b-t"), INVALID, "SIG_CRYPTO_FAILURE", "crypto-failure", "b-t"
    ),
    "value-of-another": Case(
        lambda: attacks.value_swapped(build("b-t"), build("visible")),
        INVALID,
        "HASH_FAILURE",
        "",
        "b-t",
    ),
    # ------------------------------------------------ universal signature forgery
    "usf-no-contents": Case(_evil(attacks.usf_no_contents, "b-t"), NOT_VALID, twin="b-t"),
    "usf-null-contents": Case(_evil(attacks.usf_null_contents, "b-t"), NOT_VALID, twin="b-t"),
    "usf-zero-contents": Case(_evil(attacks.usf_zero_contents, "b-t"), NOT_VALID, twin="b-t"),
    "usf-no-byte-range": Case(_evil(attacks.usf_no_byte_range, "b-t"), NOT_VALID, twin="b-t"),
    "usf-null-byte-range": Case(_evil(attacks.usf_null_byte_range, "b-t"), NOT_VALID, twin="b-t"),
    "usf-negative-byte-range": Case(
        _evil(attacks.usf_negative_byte_range, "b-t"), NOT_VALID, twin="b-t"
    ),
    # ------------------------------------------------ incremental saving
    "isa-no-table": Case(
        _evil(attacks.isa_no_table, "b-t"), INVALID, note="unlisted-object", twin="b-t"
    ),
    "isa-no-end": Case(
        _evil(attacks.isa_no_end, "b-t"), INVALID, note="unlisted-object", twin="b-t"
    ),
    "isa-empty-table": Case(
        _evil(attacks.isa_empty_table, "b-t"), INVALID, note="unlisted-object", twin="b-t"
    ),
    "isa-rebuilt-table": Case(
        _evil(attacks.isa_rebuilt_table, "b-t"), INVALID, note="page-changed", twin="b-t"
    ),
    "isa-stream-table": Case(
        _evil(attacks.isa_stream_table, "b-t"), INVALID, note="page-changed", twin="b-t"
    ),
    "isa-object-stream": Case(
        _evil(attacks.isa_object_stream, "b-t"), INVALID, note="page-changed", twin="b-t"
    ),
    "isa-hybrid-table": Case(_evil(attacks.isa_hybrid_table, "b-t"), NOT_VALID, twin="b-t"),
    "isa-copied-signature": Case(_evil(attacks.isa_copied_signature, "b-t"), INVALID, twin="b-t"),
    "isa-wrong-offset": Case(
        _evil(attacks.isa_wrong_offset, "b-t"), INVALID, note="unlisted-object", twin="b-t"
    ),
    "changed-between-signatures": Case(
        _changed_between, UNKNOWN, note="changed-before-next", twin="b-t"
    ),
    # ------------------------------------------------ signature wrapping
    "swa-moved-range": Case(_evil(attacks.swa_moved_range, "b-t"), NOT_VALID, twin="b-t"),
    "swa-range-named-twice": Case(
        _evil(attacks.value_key_twice, "b-t"), NOT_VALID | UNREADABLE, twin="b-t"
    ),
    # ------------------------------------------------ shadows
    "shadow-hide": Case(
        _evil(attacks.shadow_hide, "overlay-asleep"),
        NOT_VALID,
        twin="overlay-asleep",
    ),
    "shadow-hide-by-catalogue": Case(
        _evil(attacks.shadow_hide_by_catalogue, "overlay-asleep"),
        NOT_VALID,
        twin="overlay-asleep",
    ),
    "shadow-hide-annotation": Case(
        _evil(attacks.shadow_hide_annotation, "b-t"), NOT_VALID, twin="b-t"
    ),
    "shadow-replace-form": Case(_evil(attacks.shadow_replace_form, "form"), NOT_VALID, twin="form"),
    "shadow-replace-form-certified": Case(
        _evil(attacks.shadow_replace_form, "certified-form-p1"),
        NOT_VALID,
        twin="certified-form-p1",
    ),
    "shadow-replace-font": Case(
        _evil(attacks.shadow_replace_font, "b-t"), INVALID, note="page-changed", twin="b-t"
    ),
    "shadow-swap-catalogue": Case(
        _evil(attacks.shadow_swap_catalogue, "hidden-pages-asleep"),
        NOT_VALID,
        twin="hidden-pages-asleep",
    ),
    "shadow-swap-pages": Case(
        _evil(attacks.shadow_swap_pages, "hidden-pages-asleep"),
        INVALID,
        note="page-changed",
        twin="hidden-pages-asleep",
    ),
    # ------------------------------------------------ certified and other later changes
    "form-filled-uncertified": Case(
        _evil(attacks.field_filled, "form"), UNKNOWN, note="fields-filled", twin="form"
    ),
    "form-filled-where-forbidden": Case(
        _evil(attacks.field_filled, "certified-form-p1"),
        INVALID,
        note="docmdp-violated",
        twin="certified-form-p1",
    ),
    "annotation-where-forbidden": Case(
        _evil(attacks.annotation_added, "certified-p1"),
        INVALID,
        note="docmdp-violated",
        twin="certified-p1",
    ),
    "annotation-where-only-filling-is-allowed": Case(
        _evil(attacks.annotation_added, "certified-p2"), NOT_VALID, twin="certified-p2"
    ),
    "annotation-where-allowed": Case(
        _evil(attacks.annotation_added, "certified-p3"), VALID | UNKNOWN, twin="certified-p3"
    ),
    "eaa-annotation-over-text": Case(
        _evil(attacks.eaa_annotation_over_text, "certified-p3"), NOT_VALID, twin="certified-p3"
    ),
    "ssa-stranger-signs-over-text": Case(_sealed_over_text, NOT_VALID, twin="certified-p2"),
    "ssa-empty-field-over-text": Case(
        _evil(attacks.ssa_empty_field_over_text, "certified-p2"), NOT_VALID, twin="certified-p2"
    ),
    "ssa-empty-field-over-text-uncertified": Case(
        _evil(attacks.ssa_empty_field_over_text, "b-lt"), NOT_VALID, twin="b-lt"
    ),
    "page-added": Case(_evil(attacks.page_added, "b-t"), INVALID, note="page-changed", twin="b-t"),
    # ------------------------------------------------ removal
    "removed-form": Case(
        _evil(attacks.removed_form, "b-t"), NOT_VALID, note="hidden-signature", twin="b-t"
    ),
    "removed-field": Case(
        _evil(attacks.removed_field, "b-t"), NOT_VALID, note="hidden-signature", twin="b-t"
    ),
    "removed-value": Case(
        _evil(attacks.removed_value, "b-t"), NOT_VALID, note="hidden-signature", twin="b-t"
    ),
    "removed-form-second-hidden": Case(
        _evil(attacks.removed_form, "two-signatures"),
        NOT_VALID,
        note="hidden-signature",
        twin="two-signatures",
    ),
    # ------------------------------------------------ strangers in the file
    "padding-filled": Case(
        _evil(attacks.padding_filled, "room-left"),
        UNKNOWN,
        note="hidden-padding",
        twin="room-left",
    ),
    "garbage-appended": Case(
        _evil(attacks.garbage_appended, "b-t"), UNKNOWN, note="unexplained-bytes", twin="b-t"
    ),
    # ------------------------------------------------ time
    "stamp-of-another": Case(
        lambda: attacks.stamp_copied(build("b-t"), build("visible")),
        UNKNOWN,
        note="timestamp-unproven",
        twin="b-t",
    ),
    "stamp-doubled": Case(
        lambda: attacks.stamp_doubled(build("room-for-two"), build("visible")),
        VALID | NOT_VALID,
        twin="room-for-two",
    ),
    "room-for-two": Case(_good(How(spare=8000)), VALID),
    "stamp-of-a-stranger": Case(
        _good(How(stamper="double tsa")), VALID | UNKNOWN, note="timestamp-unproven", twin="b-t"
    ),
    "stamped-after-expiry": Case(
        _good(How(at=EXPIRED - 30 * authority.DAY, stamped_at=SIGNED), "expired"),
        UNKNOWN,
        "OUT_OF_BOUNDS_NO_POE",
        twin="b-t",
    ),
    "expired-without-stamp": Case(
        _good(How("B-B", at=EXPIRED - 30 * authority.DAY), "expired"),
        UNKNOWN,
        "OUT_OF_BOUNDS_NO_POE",
        "expired",
        twin="b-b",
    ),
    "revoked-before-stamp": Case(_good(who="revoked"), NOT_VALID, note="revoked", twin="b-t"),
    "revoked-without-stamp": Case(
        _good(How("B-B", at=REVOKED - 30 * authority.DAY), "revoked"),
        NOT_VALID,
        note="revoked",
        twin="b-b",
    ),
    "revoked-says-ocsp": Case(
        lambda: _with_ocsp(revoked=True), NOT_VALID, note="revoked", twin="ocsp-answer"
    ),
    "claimed-long-before-stamp": Case(
        _good(How(at=datetime(2025, 6, 1, tzinfo=UTC), stamped_at=SIGNED)),
        VALID,
        note="claimed-differs",
        twin="b-t",
    ),
    "not-yet-valid": Case(_good(who="early"), NOT_VALID, "NOT_YET_VALID", "not-yet-valid", "b-t"),
    "asked-before-signing": Case(
        _evil(lambda pdf: pdf, "b-t"), UNKNOWN, at=datetime(2026, 11, 1, tzinfo=UTC)
    ),
    # ------------------------------------------------ trust
    "name-of-another": Case(
        _good(How(name="Thủ tướng Chính phủ")), VALID, note="name-differs", twin="b-t"
    ),
    "self-signed": Case(
        _good(who="alone"), UNKNOWN, "NO_CERTIFICATE_CHAIN_FOUND", "no-chain", "b-t"
    ),
    "double-of-the-root": Case(
        _good(who="double person"), UNKNOWN, "NO_CERTIFICATE_CHAIN_FOUND", "no-chain", "b-t"
    ),
    "not-for-signing": Case(
        _good(who="cipher"), UNKNOWN, "CHAIN_CONSTRAINTS_FAILURE", "wrong-usage", "b-t"
    ),
    "weak-key": Case(
        _good(who="weak"), UNKNOWN, "CRYPTO_CONSTRAINTS_FAILURE", "weak-algorithm", "b-t"
    ),
    "weak-digest": Case(
        _good(How(pades=False, digest="sha1")),
        UNKNOWN,
        "CRYPTO_CONSTRAINTS_FAILURE",
        "weak-algorithm",
        "b-t",
    ),
    "weak-digest-of-certificate": Case(
        _good(who="weak digest"), UNKNOWN, "CRYPTO_CONSTRAINTS_FAILURE", "weak-algorithm", "b-t"
    ),
    # ------------------------------------------------ damaged, locked, none
    "truncated": Case(_evil(attacks.truncated, "b-t"), NOT_VALID | UNREADABLE, twin="b-t"),
    "end-lost": Case(_evil(attacks.two_ends_short, "b-t"), NOT_VALID | UNREADABLE, twin="b-t"),
    "empty": Case(lambda: b"", UNREADABLE, note="empty-file"),
    "not-a-pdf": Case(lambda: b"Kinh gui: ...\n" * 20, UNREADABLE, note="not-a-pdf"),
    "locked": Case(
        lambda: attacks.encrypted(pages.plain(), "mat khau"), UNREADABLE | UNKNOWN, note="encrypted"
    ),
    "unsigned": Case(pages.plain, UNSIGNED),
    "picture-of-a-seal": Case(pages.with_seal_picture, UNSIGNED),
    "cut-back-to-unsigned": Case(
        lambda: build("b-t")[: build("b-t").index(b"%%EOF") + 6], UNSIGNED, twin="b-t"
    ),
}
GOOD = tuple(n for n, c in CASES.items() if c.verdicts == VALID)
