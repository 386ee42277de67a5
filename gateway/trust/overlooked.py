"""What the difference analysis lets pass after a signature although people see it.

The library approves of further signatures and of a form's defaults by their structure. An attacker
shows something else with just that:

 1. annotations keep their numbers and are drawn in another order, or twice;
 2. a form's default look, its fonts or flags change how values already signed are drawn;
 3. a signature field that nobody signed comes with a look, or with another kind of annotation;
 4. the look of a later signature hides words of the page (sneaky signature, SSA).

Promises: bounded walks over hostile structure; whatever cannot be told is told as such. Pure but
for PDFium, which draws the few pages that carry a new signature. Keeps nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodePurpose
from pyhanko.pdf_utils.reader import HistoricalResolver
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust import look
from gateway.trust.revisions import (
    Key,
    annotation_keys,
    get,
    get_object,
    key_of,
    pages,
    raw,
    rectangle_of,
)

_DEFAULTS: Final = ("/DA", "/Q", "/NeedAppearances")
_MOST_FIELDS: Final = 5000
_DEEPEST: Final = 20
_DEPTH: Final = 4


@dataclass(frozen=True, slots=True)
class _Field:
    """A terminal field: its number, its dictionary, its kind."""

    key: Key | None
    body: Any
    kind: str


def overlooked(emb: EmbeddedPdfSignature, data: bytes, end: int | None) -> tuple[str, ...]:
    """Return the codes of remarks on what is shown otherwise than it was signed.

    Args:
        emb: The signature, analysed.
        data: The whole file.
        end: End of its signed range, None when that is unsound.

    Returns:
        Nothing when all is as the analysis says.

    Source: SIG-49.
    """
    reader = emb.reader
    if emb.signed_revision + 1 >= reader.xrefs.total_revisions:
        return ()
    signed = reader.get_historical_resolver(emb.signed_revision)
    now = reader.root
    before, after = pages(signed.root), pages(now)
    found = dict.fromkeys(_of_annotations(before, after))
    if _form_changed(get(signed.root, "/AcroForm"), get(now, "/AcroForm")):
        found["form-defaults-changed"] = None
    shown = [
        number
        for number, (_, page) in enumerate(after)
        if any(_signs_anew(body, signed, key) for key, body in _widgets(page))
    ]
    if shown and end is not None:
        places = {number: _box_of(after[number][1]) for number in shown}
        hidden = look.words_hidden(data, end, places)
        if hidden is not False:
            found["words-covered" if hidden else "look-unknown"] = None
    return tuple(found)


# ---------------------------------------------------------------- annotations


def _of_annotations(before: list[Any], after: list[Any]) -> Iterator[str]:
    """Yield what is odd about annotations; pages that came or went are the analysis's matter."""
    for (_, was), (_, page) in zip(before, after, strict=False):
        old, now = annotation_keys(was), annotation_keys(page)
        known = set(old)
        if tuple(k for k in now if k in known) != old or len(set(now)) != len(now):
            yield "annotations-reordered"
        if now == old:
            continue
        for key, body in _widgets(page, every=True):
            if key not in known and _looks_unsigned(body):
                yield "unsigned-look"


def _widgets(page: Any, *, every: bool = False) -> Iterator[tuple[Key | None, Any]]:
    """Yield a page's visible signature widgets, or all its annotations."""
    annotations = get(page, "/Annots")
    if not isinstance(annotations, generic.ArrayObject):
        return
    for held in list.__iter__(annotations):
        body = get_object(held)
        if every or (_kind(body) == "/Sig" and rectangle_of(body) is not None):
            yield key_of(held), body


def _box_of(page: Any) -> look.Box | None:
    """Return the box around all annotations of a page; None when one of them may be anywhere."""
    found: list[look.Box] = []
    for _, body in _widgets(page, every=True):
        numbers = raw(body, "/Rect")
        values = list.__iter__(numbers) if isinstance(numbers, generic.ArrayObject) else ()
        rect = [
            float(n) for n in values if isinstance(n, generic.NumberObject | generic.FloatObject)
        ]
        if len(rect) != 4 or len(numbers) != 4:
            return None
        if rect[0] != rect[2] and rect[1] != rect[3]:
            x0, y0, x1, y1 = rect
            found.append((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)))
    if not found:
        return None
    left, bottom, right, top = zip(*found, strict=True)
    return min(left), min(bottom), max(right), max(top)


def _kind(body: Any) -> str:
    return str(get(body, "/FT") or get(get(body, "/Parent"), "/FT") or "")


def _value(body: Any) -> Any:
    return raw(body, "/V") if raw(body, "/V") is not None else raw(get(body, "/Parent"), "/V")


def _looks_unsigned(body: Any) -> bool:
    """Tell whether a new annotation is more than the place or the look of a signature."""
    if str(get(body, "/Subtype")) != "/Widget" or raw(body, "/A") is not None:
        return True
    if raw(body, "/AA") is not None:
        return True
    if _value(body) is not None or rectangle_of(body) is None:
        return False
    colours = get(body, "/MK")
    if raw(colours, "/BG") is not None or raw(colours, "/BC") is not None:
        return True
    return not _blank(get(get(body, "/AP"), "/N"))


def _blank(drawn: Any) -> bool:
    if drawn is None:
        return True
    if not isinstance(drawn, generic.StreamObject):
        return False
    try:
        return not drawn.read_data(DecodePurpose.GENERIC).strip()
    except Exception:  # noqa: BLE001 — what cannot be read is not blank
        return False


def _signs_anew(body: Any, signed: HistoricalResolver, key: Key | None) -> bool:
    """Tell whether a widget shows a signature that the signed state did not have."""
    if _value(body) is None or key is None:
        return False
    reference = generic.Reference(*key, signed)
    if signed.is_ref_unassignable(reference):
        return True
    try:
        was = signed.get_object(reference)
    except Exception:  # noqa: BLE001 — it was not there, or broken
        return True
    return not isinstance(was, generic.DictionaryObject) or _value(was) is None


# ---------------------------------------------------------------- the form


def _form_changed(was: Any, now: Any) -> bool:
    """Tell whether values that were signed may be drawn in another way."""
    values = [f for f in _fields(was) if f.kind != "/Sig"]
    if not values:
        return False
    if any(not _same(_default(was, name), _default(now, name)) for name in _DEFAULTS):
        return True
    present = {f.key: f.body for f in _fields(now)}
    if any(not _same(raw(f.body, "/Ff"), raw(present.get(f.key), "/Ff")) for f in values):
        return True
    styles = " ".join(str(get(body, "/DA") or "") for body in (was, *(f.body for f in values)))
    return _resources_changed(get(was, "/DR"), get(now, "/DR"), styles.split())


def _default(form: Any, name: str) -> Any:
    value = get(form, name)
    return None if name == "/NeedAppearances" and not value else value


def _resources_changed(was: Any, now: Any, styles: list[str]) -> bool:
    """Tell whether resources that were there are others now, or missing ones were given."""
    for kind in {*_names(was), *_names(now)}:
        old, new = get(was, kind), get(now, kind)
        if not isinstance(old, generic.DictionaryObject | None):
            if not _same(old, new):
                return True
            continue
        if any(not _same(raw(old, name), raw(new, name)) for name in _names(old)):
            return True
        if any(name in styles for name in set(_names(new)) - set(_names(old))):
            return True
    return False


def _names(holder: Any) -> tuple[str, ...]:
    return tuple(holder) if isinstance(holder, generic.DictionaryObject) else ()


def _fields(form: Any) -> list[_Field]:
    """Return the terminal fields of a form; at most `_MOST_FIELDS`."""
    found: list[_Field] = []
    seen: set[Key] = set()
    ahead = [(held, "", 0) for held in _items(get(form, "/Fields"))]
    while ahead and len(found) < _MOST_FIELDS:
        held, kind, depth = ahead.pop()
        key = key_of(held)
        if key is not None and key in seen:
            continue
        seen |= {key} if key is not None else set()
        body = get_object(held)
        kind = str(get(body, "/FT") or kind)
        kids = _items(get(body, "/Kids"))
        found.append(_Field(key, body, kind))
        if depth < _DEEPEST:
            ahead += [(kid, kind, depth + 1) for kid in kids]
    return found


def _items(value: Any) -> list[Any]:
    return list(list.__iter__(value)) if isinstance(value, generic.ArrayObject) else []


def _same(left: Any, right: Any, depth: int = _DEPTH) -> bool:
    """Tell whether two values are written alike; references are equal by number."""
    if key_of(left) is not None or key_of(right) is not None:
        return key_of(left) == key_of(right)
    if isinstance(left, generic.DictionaryObject) and isinstance(right, generic.DictionaryObject):
        return (
            depth > 0
            and set(left) == set(right)
            and all(_same(raw(left, k), raw(right, k), depth - 1) for k in left)
        )
    if isinstance(left, generic.ArrayObject) and isinstance(right, generic.ArrayObject):
        pairs = zip(list.__iter__(left), list.__iter__(right), strict=False)
        return (
            depth > 0 and len(left) == len(right) and all(_same(a, b, depth - 1) for a, b in pairs)
        )
    return bool(left == right)
