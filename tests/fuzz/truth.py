"""What is true of the seeds, by independent means, and whether a `valid` agrees with it.

Nothing here asks the verifier: signed ranges are found and hashed here, pages are drawn by PDFium
with their annotations and forms, certificates and times come from the generator's table. A mutated
file may be called valid only if

1. every signed range written in it hashes to one that a good seed signed, unless the range is in a
   remark or in a string, so that at least one is known;
2. what it shows (size, text and picture of every page, annotations and forms drawn) is what one of
   the good seeds with that signed range shows, in one of its revisions from that signature on;
   where a certifier permitted that fields are filled and the report tells which were, all but
   fields and annotations;
3. every signature called valid names the signer of such a seed, and a time proven there.
"""

import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

import pypdfium2

from gateway.trust.report import Answer, Verdict, VerificationReport

_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s*\]")
_MAX_PAGES = 5


@dataclass
class Known:
    """What the good seeds say of one signed range."""

    looks: set[str] = field(default_factory=set)
    bare_looks: set[str] = field(default_factory=set)
    signers: set[str] = field(default_factory=set)
    times: set[str] = field(default_factory=set)


@dataclass
class Truth:
    """Everything known of the good seeds, by digest of the signed bytes."""

    ranges: dict[str, Known] = field(default_factory=dict)

    def learn(self, data: bytes, report: VerificationReport) -> None:
        """Take in a good seed: its report was checked against the generator's table before."""
        signers = {s.signer.sha256 for s in report.signatures if s.signer is not None}
        times = {_moment(s) for s in report.signatures}
        for digest, end in signed_ranges(data):
            known = self.ranges.setdefault(digest, Known())
            states = [data[:e] for e in [*_ends(data), len(data)] if e >= end]
            known.looks |= {seen for state in states if (seen := look(state)) is not None}
            known.bare_looks |= {
                seen for state in states if (seen := look(state, bare=True)) is not None
            }
            known.signers |= signers
            known.times |= times

    def objection(self, data: bytes, report: VerificationReport) -> str:
        """Return why a report must not say `valid`, "" when it may."""
        if report.verdict is not Verdict.VALID:
            return ""
        found = [self.ranges[d] for d, _ in signed_ranges(data) if d in self.ranges]
        if not found:
            return "no signed range of the file is known"
        told = any(n.code == "fields-filled" for s in report.signatures for n in s.notes)
        filled = told and report.certification in {"P2", "P3"}
        allowed = set().union(*(k.bare_looks if filled else k.looks for k in found))
        if look(data, bare=filled) not in allowed:
            return "it shows something that was never signed"
        signers = set().union(*(k.signers for k in found))
        times = set().union(*(k.times for k in found))
        for one in report.signatures:
            if one.verdict is not Verdict.VALID:
                return f"valid, though {one.field} is {one.verdict}"
            if one.signer is None or one.signer.sha256 not in signers:
                return f"{one.field} names a signer of no seed"
            if one.time_proven is Answer.YES and _moment(one) not in times:
                return f"{one.field} has a proven time that nobody proved: {one.signed_at}"
        return ""


def _moment(signature: Any) -> str:
    proven = signature.time_proven is Answer.YES and signature.signed_at is not None
    return signature.signed_at.isoformat() if proven else ""


def signed_ranges(data: bytes) -> list[tuple[str, int]]:
    """Return digest and end of every signed range written in a file."""
    found = []
    for match in list(_RANGE.finditer(data))[:50]:
        zero, first, second, last = map(int, match.groups())
        end = second + last
        if zero != 0 or not first < second <= end <= len(data):
            continue
        digest = hashlib.sha256(data[:first] + data[second:end]).hexdigest()
        found.append((digest, end))
    return found


def _ends(data: bytes) -> list[int]:
    return [m.end() for m in re.finditer(rb"%%EOF[\r\n]*", data)]


def look(data: bytes, *, bare: bool = False) -> str | None:
    """Return a digest of all a reader shows; None when PDFium cannot open the file.

    Args:
        data: The file.
        bare: Leave fields and annotations out.
    """
    seen = hashlib.sha256()
    try:
        with pypdfium2.PdfDocument(data) as document:
            document.init_forms()
            seen.update(b"%d" % len(document))
            for number in range(min(len(document), _MAX_PAGES)):
                page = document[number]
                text = page.get_textpage()
                # Only ink counts: blanks have no look, and PDFium places them by guess.
                words = "".join(text.get_text_range().split())
                seen.update(repr((page.get_size(), words)).encode())
                picture = page.render(
                    scale=0.5, grayscale=True, draw_annots=not bare, may_draw_forms=not bare
                )
                seen.update(bytes(picture.buffer))
    except (pypdfium2.PdfiumError, ValueError):
        return None
    return seen.hexdigest()
