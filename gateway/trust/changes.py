"""What was done to a file after a signature, and what that means for it.

The ETSI verdict ignores changes to a PDF, so they are judged here (SIG-49): archival data and
further signatures are harmless; what the certifier permitted is permitted; a page that looks
different was forged or corrected, and either way is not what was signed; the rest is not concluded.
Pure but for drawing pages; keeps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.fields import MDPPerm
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature
from pyhanko.sign.validation.status import SignatureCoverageLevel

from gateway.trust.differences import judged
from gateway.trust.look import same_look
from gateway.trust.notes import clean, note
from gateway.trust.overlooked import overlooked
from gateway.trust.report import Coverage, Note, Verdict

COVERAGE: Final = {
    SignatureCoverageLevel.ENTIRE_FILE: Coverage.WHOLE_FILE,
    SignatureCoverageLevel.ENTIRE_REVISION: Coverage.REVISION,
    SignatureCoverageLevel.CONTIGUOUS_BLOCK_FROM_START: Coverage.PARTIAL,
    SignatureCoverageLevel.UNCLEAR: Coverage.UNCLEAR,
}


@dataclass(frozen=True, slots=True)
class Changes:
    """Later changes: their kind, the best verdict they leave, remarks."""

    kind: str
    ceiling: Verdict
    notes: tuple[Note, ...] = ()


def coverage_of(emb: EmbeddedPdfSignature) -> Coverage:
    """Return how much of the file an analysed signature covers."""
    level = cast("SignatureCoverageLevel | None", emb.coverage)
    return Coverage.UNCLEAR if level is None else COVERAGE[level]


def analyse(emb: EmbeddedPdfSignature) -> str:
    """Compute digest, coverage and difference analysis; return why the last failed, or ""."""
    try:
        judged(emb)
    except Exception as exc:  # noqa: BLE001 — whatever the analysis trips over, it is not analysed
        emb.compute_integrity_info(skip_diff=True)  # type: ignore[no-untyped-call]
        return clean(f"{type(exc).__name__}: {exc}")
    return ""


def judge_changes(
    emb: EmbeddedPdfSignature,
    data: bytes,
    end: int | None,
    *,
    trouble: str,
    signature_fields: Sequence[str],
    covered_later: bool,
) -> Changes:
    """Judge what follows one signature.

    Args:
        emb: The signature, analysed.
        data: The whole file.
        end: End of its signed range, None when that is unsound.
        trouble: What `analyse` returned.
        signature_fields: Names of all signature fields.
        covered_later: A later signature that holds covers the present state.
    """
    if trouble:
        return Changes("not-analysed", Verdict.INDETERMINATE, (note("not-analysed", trouble),))
    level, fields = _result(emb.diff_result)
    if _catalogue_moved(emb):
        level = ModificationLevel.OTHER
    permitted = emb.docmdp_level
    # OTHER means that the analysis knows no rule for the change, not that it is forbidden: only
    # where no change at all is permitted does it break the certification by itself.
    unknown = level is ModificationLevel.OTHER and permitted is not MDPPerm.NO_CHANGES
    if permitted is not None and level.value > permitted.value and not unknown:
        return Changes(_kind(level), Verdict.INVALID, (note("docmdp-violated"),))
    if level is not ModificationLevel.OTHER:
        # SIG-49 (LGDĐT art 22.3d): what the analysis approves of may still look otherwise.
        seen = overlooked(emb, data, end)
        if seen:
            return Changes("other", Verdict.INDETERMINATE, tuple(note(code) for code in seen))
    if level in {ModificationLevel.NONE, ModificationLevel.LTA_UPDATES}:
        return Changes(_kind(level), Verdict.VALID)
    if level is ModificationLevel.FORM_FILLING:
        filled = sorted(set(fields) - set(signature_fields))
        if not filled:
            return Changes("signature", Verdict.VALID)
        # Only a certification that permits filling makes it part of what was signed.
        ceiling = Verdict.VALID if permitted is not None else Verdict.INDETERMINATE
        return Changes("form-filling", ceiling, (note("fields-filled", ", ".join(filled)),))
    if level is ModificationLevel.ANNOTATIONS:
        ceiling = Verdict.VALID if permitted is not None else Verdict.INDETERMINATE
        return Changes("annotation", ceiling, (note("unclassified-change"),))
    return _other(data, end, covered_later=covered_later)


def _catalogue_moved(emb: EmbeddedPdfSignature) -> bool:
    """Tell whether a later state calls another object the catalogue.

    The analysis approves of whatever object the catalogue is, without asking what that object was
    before: written over a picture or a page, a copy of the catalogue takes it away unseen.
    """
    reader = emb.reader
    signed = reader.get_historical_resolver(emb.signed_revision).root_ref
    later = range(emb.signed_revision + 1, reader.xrefs.total_revisions)
    return any(reader.get_historical_resolver(n).root_ref != signed for n in later)


def _other(data: bytes, end: int | None, *, covered_later: bool) -> Changes:
    # SIG-49 (LGDĐT art 22.3d): any change after signing must be told.
    if covered_later:
        return Changes("other", Verdict.INDETERMINATE, (note("changed-before-next"),))
    alike = None if end is None else same_look(data, end)
    if alike is False:
        return Changes("other", Verdict.INVALID, (note("page-changed"),))
    return Changes("other", Verdict.INDETERMINATE, (note("unclassified-change"),))


def _result(diff: Any) -> tuple[ModificationLevel, set[str]]:
    if isinstance(diff, DiffResult):
        return diff.modification_level, set(diff.changed_form_fields)
    if diff is None:
        return ModificationLevel.NONE, set()
    return ModificationLevel.OTHER, set()


def _kind(level: ModificationLevel) -> str:
    return {
        ModificationLevel.NONE: "none",
        ModificationLevel.LTA_UPDATES: "archive-data",
        ModificationLevel.FORM_FILLING: "form-filling",
        ModificationLevel.ANNOTATIONS: "annotation",
    }.get(level, "other")
