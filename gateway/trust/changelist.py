"""What was done to a PDF after it was signed, one thing after the other.

Told for people: which field got which value, which page came or went, where an annotation stands.
The difference analysis (`gateway.trust.changes`) judges; this only tells, state by state, from the
objects each update writes. Bounded; what cannot be told apart is told as `other`. Keeps nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.reader import PdfFileReader

from gateway.trust.notes import clean
from gateway.trust.report import ChangeFacts
from gateway.trust.revisions import (
    History,
    Key,
    Places,
    annotation_keys,
    get,
    get_object,
    key_of,
    raw,
    rectangle_of,
)

_MAX_STEPS: Final = 40
_MAX_CHANGES: Final = 100
_MAX_FIELDS: Final = 2000
_MAX_DEPTH: Final = 12
_LOOKS: Final = ("/Contents", "/Resources", "/MediaBox", "/CropBox", "/Rotate", "/UserUnit")
_NOT_DRAWN: Final = frozenset({"/Catalog", "/Page", "/Pages", "/Sig", "/DocTimeStamp", "/XRef"})
_SILENT: Final = frozenset({"/XRef", "/ObjStm", "/Metadata"})


def changes_after(reader: PdfFileReader, history: History, section: int) -> tuple[ChangeFacts, ...]:
    """Return what the updates after a section did, in order; at most `_MAX_CHANGES`.

    Args:
        reader: The file, open.
        history: Its states.
        section: The first section that is not looked at: the oldest signed one.
    """
    found: list[ChangeFacts] = []
    last = reader.xrefs.total_revisions
    if section + 1 >= last:
        return ()
    before: _State | None = None
    for step in range(section + 1, min(last, section + 1 + _MAX_STEPS)):
        number = history.number(step)
        try:
            before = before or _State.of(reader, step - 1)
            after = _State.of(reader, step)
            told = list(_step(reader, step, before, after))
        except Exception:  # noqa: BLE001 — hostile structure: told as not told apart
            after, told = None, [ChangeFacts("other")]
        found += [replace(change, revision=number) for change in told]
        before = after
        if len(found) >= _MAX_CHANGES:
            break
    return tuple(found[:_MAX_CHANGES])


@dataclass(slots=True)
class _Field:
    name: str
    kind: str
    value: str
    body: Any


@dataclass(slots=True)
class _State:
    """One saved state: its catalogue, pages and fields, read when first needed."""

    root: Any
    places: Places
    fields: dict[Key, _Field] = field(default_factory=dict)
    widgets: dict[Key, Key] = field(default_factory=dict)

    @classmethod
    def of(cls, reader: PdfFileReader, section: int) -> "_State":
        root = reader.get_historical_resolver(section).root
        state = cls(root, Places(root))
        fields = get(get(root, "/AcroForm"), "/Fields")
        if isinstance(fields, generic.ArrayObject):
            for item in list.__iter__(fields):
                state.read_field(item, "", "", None, 0)
        return state

    def read_field(self, item: Any, prefix: str, kind: str, value: Any, depth: int) -> None:
        key = key_of(item)
        body = get_object(item)
        known = key in self.fields
        if not isinstance(body, generic.DictionaryObject) or depth > _MAX_DEPTH or known:
            return
        if len(self.fields) >= _MAX_FIELDS:
            return
        part = get(body, "/T")
        name = ".".join(p for p in (prefix, "" if part is None else str(part)) if p)
        kind = str(get(body, "/FT") or kind)
        own = get(body, "/V")
        value = value if own is None else own
        if key is not None:
            self.fields[key] = _Field(name, kind, _text(value, kind), body)
        kids = get(body, "/Kids")
        if isinstance(kids, generic.ArrayObject):
            for kid in list.__iter__(kids):
                self.read_field(kid, name, kind, value, depth + 1)


def _step(
    reader: PdfFileReader, section: int, before: _State, after: _State
) -> Iterator[ChangeFacts]:
    """Tell what one update did."""
    written = {
        (r.idnum, r.generation)
        for r in (
            *reader.xrefs.explicit_refs_in_revision(section),
            *reader.xrefs.refs_freed_in_revision(section),
        )
    }
    told = list(_fields(written, before, after))
    told += _pages(written, _drawable(reader, section, written), before, after)
    if not told:
        told = _rest(reader, section, written, before, after)
    yield from told


# ---------------------------------------------------------------- form fields and signatures


def _fields(written: set[Key], before: _State, after: _State) -> Iterator[ChangeFacts]:
    names: set[str] = set()
    for key, now in after.fields.items():
        was = before.fields.get(key)
        untouched = was is not None and was.value == now.value and was.kind == now.kind
        if now.name in names or (untouched and not _redrawn(key, written, now, was)):
            continue
        names.add(now.name)
        page, rect = after.places.widget_of(now.body, key)
        if now.kind == "/Sig":
            if was is not None and was.value == now.value:
                continue  # drawn anew, signed as before
            kind = _signature_kind(now) if now.value else "form-filling"
            old = was.value if was is not None else ""
            yield ChangeFacts(kind, 0, page, clean(now.name), old, now.value, rect)
            continue
        old = was.value if was is not None else ""
        yield ChangeFacts("form-filling", 0, page, clean(now.name), old, now.value, rect)
    for key, was in before.fields.items():
        if key not in after.fields and was.name and was.name not in names:
            names.add(was.name)
            page, rect = before.places.widget_of(was.body, key)
            yield ChangeFacts("form-filling", 0, page, clean(was.name), was.value, "", rect)


def _redrawn(key: Key, written: set[Key], now: _Field, was: "_Field | None") -> bool:
    """Tell whether a field of unchanged value shows something else."""
    if was is None:
        return True
    if key in written and not _same(raw(now.body, "/AP"), raw(was.body, "/AP")):
        return True
    return any(k in written for k in _references(raw(now.body, "/AP"), 3))


def _signature_kind(now: _Field) -> str:
    value = get(now.body, "/V")
    stamp = get(value, "/Type") == "/DocTimeStamp" or get(value, "/SubFilter") == "/ETSI.RFC3161"
    return "archive-data" if stamp else "signature"


def _text(value: Any, kind: str) -> str:
    """Return a field's value for people: its text, `signed` for a signature, "" for none."""
    if value is None or isinstance(value, generic.NullObject):
        return ""
    if kind == "/Sig":
        return "signed"
    if isinstance(value, generic.ArrayObject):
        return clean(", ".join(str(v) for v in list.__iter__(value)))
    if isinstance(value, generic.StreamObject):
        return clean(value.data.decode("utf-8", "replace"))
    return clean(value)


# ---------------------------------------------------------------- pages and annotations


def _drawable(reader: PdfFileReader, section: int, written: set[Key]) -> set[Key]:
    """Return what an update wrote over that a page may draw with.

    A page and its resources look different only if one of them was written anew: what is new can
    be reached through nothing else, and a catalogue or a page is no resource.
    """
    resolver = reader.get_historical_resolver(section - 1)
    found: set[Key] = set()
    for number, generation in written:
        ref = generic.Reference(number, generation, resolver)
        if reader.xrefs.get_historical_ref(ref, section - 1) is None:
            continue
        body = get_object(generic.IndirectObject(number, generation, resolver))  # type: ignore[no-untyped-call]
        if str(get(body, "/Type")) not in _NOT_DRAWN:
            found.add((number, generation))
    return found


def _pages(
    written: set[Key], drawable: set[Key], before: _State, after: _State
) -> Iterator[ChangeFacts]:
    old = {key: page for key, page in before.places.pages if key is not None}
    order = {key: n for n, (key, _) in enumerate(before.places.pages, start=1)}
    kept: set[Key | None] = set()
    for number, (key, page) in enumerate(after.places.pages, start=1):
        kept.add(key)
        was = old.get(key) if key is not None else None
        if was is None:
            if key is not None or len(after.places.pages) != len(before.places.pages):
                yield ChangeFacts("page-added", page=number)
            continue
        if _page_differs(key, page, was, written, drawable):
            yield ChangeFacts("page-changed", page=number)
        yield from _annotations(number, page, was, written, after)
    for key in old:
        if key not in kept:
            yield ChangeFacts("page-removed", page=order[key])


def _page_differs(
    key: Key | None, page: Any, was: Any, written: set[Key], drawable: set[Key]
) -> bool:
    if key in written and any(not _same(raw(page, n), raw(was, n)) for n in _LOOKS):
        return True
    return bool(drawable) and any(
        k in drawable
        and not _same(get_object(_at(page, name, k)), get_object(_at(was, name, k)), depth=6)
        for name in ("/Contents", "/Resources")
        for k in _references(raw(page, name), 3)
    )


def _at(holder: Any, name: str, wanted: Key) -> Any:
    """Return the reference `wanted` as that state's handler knows it."""
    found = _find(raw(holder, name), wanted, 4)
    return found if found is not None else raw(holder, name)


def _find(value: Any, wanted: Key, depth: int) -> Any:
    if key_of(value) == wanted:
        return value
    if depth <= 0:
        return None
    for child in _children(value):
        found = _find(child, wanted, depth - 1)
        if found is not None:
            return found
    return None


def _annotations(
    number: int, page: Any, was: Any, written: set[Key], after: _State
) -> Iterator[ChangeFacts]:
    now_keys, old_keys = annotation_keys(page), set(annotation_keys(was))
    annotations = get(page, "/Annots")
    bodies = (
        {key_of(a): get_object(a) for a in list.__iter__(annotations)}
        if isinstance(annotations, generic.ArrayObject)
        else {}
    )
    for key in now_keys:
        if (key in old_keys and key not in written) or key in after.fields:
            continue
        body = bodies.get(key)
        kind = str(get(body, "/Subtype") or "")
        if kind == "/Widget" and _belongs(body, after):
            continue
        name = clean(kind.lstrip("/")) or "annotation"
        old = name if key in old_keys else ""
        new = name if body is not None else ""
        yield ChangeFacts("annotation", 0, number, "", old, new, rectangle_of(body))
    for key in old_keys - set(now_keys):
        if key not in after.fields:
            yield ChangeFacts("annotation", page=number, old="annotation")


def _belongs(body: Any, state: _State) -> bool:
    return key_of(raw(body, "/Parent")) in state.fields


# ---------------------------------------------------------------- the rest


def _rest(
    reader: PdfFileReader, section: int, written: set[Key], before: _State, after: _State
) -> list[ChangeFacts]:
    if not _same(raw(after.root, "/DSS"), raw(before.root, "/DSS")) or (
        key_of(raw(after.root, "/DSS")) in written
    ):
        return [ChangeFacts("archive-data")]
    resolver = reader.get_historical_resolver(section)
    for number, generation in sorted(written)[:50]:
        try:
            body = resolver.get_object(generic.Reference(number, generation, resolver))
        except Exception:  # noqa: BLE001 — freed or broken
            return [ChangeFacts("other")]
        if str(get(body, "/Type")) not in _SILENT:
            return [ChangeFacts("other")]
    return []


def _children(value: Any) -> tuple[Any, ...]:
    body = get_object(value) if isinstance(value, generic.IndirectObject) else value
    if isinstance(body, generic.DictionaryObject):
        return tuple(dict.values(body))
    if isinstance(body, generic.ArrayObject):
        return tuple(list.__iter__(body))
    return ()


def _references(value: Any, depth: int) -> Iterator[Key]:
    """Yield the references in a value, a few levels down; each path is short."""
    key = key_of(value)
    if key is not None:
        yield key
    if depth > 0:
        for child in _children(value)[:200]:
            yield from _references(child, depth - 1)


def _same(left: Any, right: Any, depth: int = 4) -> bool:
    """Tell whether two values are written alike; references are equal by number."""
    if key_of(left) is not None or key_of(right) is not None:
        return key_of(left) == key_of(right)
    if type(left) is not type(right):
        return False
    if depth <= 0:
        return True
    if isinstance(left, generic.DictionaryObject):
        if set(left) != set(right):
            return False
        if isinstance(left, generic.StreamObject) and left.encoded_data != right.encoded_data:
            return False
        return all(_same(raw(left, k), raw(right, k), depth - 1) for k in left)
    if isinstance(left, generic.ArrayObject):
        pairs = zip(list.__iter__(left), list.__iter__(right), strict=False)
        return len(left) == len(right) and all(_same(a, b, depth - 1) for a, b in pairs)
    return bool(left == right)
