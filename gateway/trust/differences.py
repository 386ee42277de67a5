"""The library's difference analysis, asked only about what later updates changed.

pyHanko judges an update by rules, and its rules ask of the signed state on which paths a changed
object is reached. It answers from a map of the whole state, which is 97 % of the time on a large
file. Here the rules are the library's own and run unchanged; only that question is answered by
searching backwards from the object asked about, over references found in the bytes.

 1. `Reader` opens a file; its states are `_State`s, which know the map's questions;
 2. a state that `references` doubts in any way (broken, encrypted, hybrid, packed oddly, freed or
    missing numbers, a structure tree with doubles) loads the library's own map, as ever;
 3. `judged` runs the library's policy once for each pair of states, and not at all where a
    signature covers the whole file.

Promises: same result or same fault as the library, wherever the library comes to an end; it may
answer where the library exhausts its recursion. One thing is told better: the library names fields
that nobody touched, whose looks were made before the last saved state; here only what an update
wrote is named. Keeps everything with the reader.
"""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.generic import Reference
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader, RawPdfPath
from pyhanko.sign.diff_analysis import (
    DEFAULT_DIFF_POLICY,
    DiffPolicy,
    DiffResult,
    ModificationLevel,
    SuspiciousModification,
)
from pyhanko.sign.diff_analysis.policies import (
    StandardDiffPolicy,
    _find_orphans,
    _is_id,
)
from pyhanko.sign.diff_analysis.rules_api import ApprovalType, Context, ReferenceUpdate
from pyhanko.sign.fields import FieldMDPSpec, MDPPerm
from pyhanko.sign.validation.pdf_embedded import EmbeddedPdfSignature

from gateway.trust.quickread import QuickReader
from gateway.trust.quicktokens import indirect, reference
from gateway.trust.references import References, Scan
from gateway.trust.remembering import remember

Path = tuple[str | int, ...]
_MOST_ANCESTORS: Final = 400
_TREE_PATH: Final[Path] = ("/Root", "/StructTreeRoot")
_DIGESTS: Final = frozenset({"sha1", "sha256", "sha384", "sha512"})
_HOLDERS: Final = (generic.IndirectObject, list, dict)


class Reader(QuickReader):
    """A reader whose saved states answer quickly who refers to whom.

    Args:
        data: The whole file.
        strict: As in the library.
    """

    def __init__(self, data: bytes, *, strict: bool = True) -> None:
        super().__init__(data, strict=strict)
        self.references = References(self)
        self.judgements: dict[Any, Any] = {}

    def get_historical_resolver(self, revision: int) -> HistoricalResolver:
        """Return a saved state, always the same one."""
        cache = self._historical_resolver_cache
        if revision not in cache:
            cache[revision] = _State(self, revision)
        return cache[revision]


class _State(HistoricalResolver):
    """A saved state that searches backwards instead of mapping everything."""

    reader: Reader

    def __init__(self, reader: Reader, revision: int) -> None:
        super().__init__(reader, revision)
        self._root: generic.DictionaryObject | None = None
        self._map: _Map | None = None
        self._doubted = False
        self.orphans: set[Reference] | None = None
        self._answers: dict[Reference, set[RawPdfPath]] = {}

    @property
    def root(self) -> generic.DictionaryObject:
        """Return the catalogue."""
        if self._root is None:
            self._root = super().root
        return self._root

    def collect_dependencies(self, obj: Any, since_revision: int | None = None) -> set[Reference]:
        """Return the references below a value; see `HistoricalResolver.collect_dependencies`."""
        if not self.reader.plain:
            return super().collect_dependencies(obj, since_revision)
        found: set[Reference] = set()
        introduced = self.reader.xrefs.get_introducing_revision
        ahead = [obj]
        while ahead:
            item = ahead.pop()
            if isinstance(item, generic.IndirectObject):
                ref = item.reference
                if ref in found:
                    continue
                if since_revision is not None and introduced(ref) < since_revision:
                    continue
                found.add(ref)
                item = self.bare(ref)
            if isinstance(item, generic.DictionaryObject):
                ahead += (v for v in dict.values(item) if isinstance(v, _HOLDERS))
            elif isinstance(item, generic.ArrayObject):
                ahead += (v for v in list.__iter__(item) if isinstance(v, _HOLDERS))
        return found

    def bare(self, ref: Reference) -> Any:
        """Return an object to look at: its references may resolve in another state."""
        known = self.cache.get(ref)
        if known is not None:
            return known
        try:
            current = self.reader.xrefs.get_last_change(ref) <= self.revision
        except KeyError:
            current = False
        if not current:
            return self.get_object(ref)
        return self.reader.get_object(ref, transparent_decrypt=False)  # type: ignore[no-untyped-call]

    def _subsume_object(self, obj: Any) -> Any:
        """Return an object whose references resolve in this state."""
        if not self.reader.plain:
            return super()._subsume_object(obj)  # type: ignore[no-untyped-call]
        ref = obj.get_container_ref()
        return _clone(obj, reference(ref.idnum, ref.generation, self), self)

    def _quick_map(self) -> "_Map | None":
        if self._map is None and not self._doubted:
            scan = self.reader.references.scan_of(self.revision)
            try:
                self._map = _Map.of(self, scan) if scan is not None else None
            except Exception:  # noqa: BLE001 — the library meets the same and says so its own way
                self._map = None
            self._doubted = self._map is None
        return self._map

    def _load_reverse_xref_cache(self) -> None:
        if self._indirect_object_access_cache is None and self._quick_map() is None:
            super()._load_reverse_xref_cache()  # type: ignore[no-untyped-call]

    def _get_usages_of_ref(self, ref: Reference) -> set[RawPdfPath]:
        quick = self._quick_map() if self._indirect_object_access_cache is None else None
        if quick is not None:
            if ref not in self._answers:
                found = quick.usages(ref)
                if found is None:
                    super()._load_reverse_xref_cache()  # type: ignore[no-untyped-call]
                    return super()._get_usages_of_ref(ref)
                self._answers[ref] = found
            return self._answers[ref]
        return super()._get_usages_of_ref(ref)


def _clone(obj: Any, holder: Reference, state: _State) -> Any:
    made: Any
    if isinstance(obj, generic.IndirectObject):
        return indirect(obj.idnum, obj.generation, state)
    if isinstance(obj, generic.DictionaryObject):
        if isinstance(obj, generic.StreamObject):
            made = generic.StreamObject(encoded_data=obj.encoded_data)
        else:
            made = generic.DictionaryObject()  # type: ignore[no-untyped-call]
        for key, value in obj.items():
            within = isinstance(value, _HOLDERS)
            dict.__setitem__(made, key, _clone(value, holder, state) if within else value)
    elif isinstance(obj, generic.ArrayObject):
        made = generic.ArrayObject(
            _clone(value, holder, state) if isinstance(value, _HOLDERS) else value
            for value in list.__iter__(obj)
        )
    else:
        return obj
    made.container_ref = holder
    return made


class _Map:
    """Paths from the trailer to single objects of one state, as the library would collect them.

    Args:
        state: The state.
        scan: Its references.
        pages: Every node of the page tree with the one path that counts for it.
        tree: The structure tree's root, None when there is none.
    """

    def __init__(
        self,
        state: _State,
        scan: Scan,
        pages: dict[Reference, Path],
        tree: generic.DictionaryObject | None,
    ) -> None:
        self.state = state
        self.scan = scan
        self.pages = pages
        self.page_parents = _page_parents(pages)
        self.tree = tree

    @classmethod
    def of(cls, state: _State, scan: Scan) -> "_Map | None":
        """Prepare; None in doubt, any exception where the library would raise it too."""
        root = state.root
        trunk = ("/Root", "/Pages")
        top = root.raw_get("/Pages")
        pages: dict[Reference, Path] = {}
        if isinstance(top, generic.IndirectObject):
            pages[top.reference] = trunk
        for ref, path in _page_nodes(top.get_object(), trunk):
            if ref in pages:
                return None
            pages[ref] = path
        tree = None
        if "/StructTreeRoot" in root:
            held = root.raw_get("/StructTreeRoot")
            tree = held.get_object()
            if not isinstance(tree, generic.DictionaryObject):
                return None
            if isinstance(held, generic.IndirectObject) and held.idnum in scan.children:
                return None
        return cls(state, scan, pages, tree)

    def usages(self, ref: Reference) -> set[RawPdfPath] | None:
        """Return the paths to an object; None when there are too many ways to it."""
        if ref.generation or ref.idnum not in self.scan.live:
            # Nothing refers to what is not there: `references` made sure.
            return set()
        ancestors = self._ancestors(ref.idnum)
        if ancestors is None:
            return None
        tree_nodes = set() if self.tree is None else set(self._tree_nodes(self.tree, ancestors))
        walk = _Walk(self.state, ref.idnum, ancestors, self.pages, tree_nodes)
        walk.into(self.state.trailer_view, (), frozenset(), in_tree=False)
        return {RawPdfPath(*path) for path in walk.found}

    def _ancestors(self, number: int) -> set[int] | None:
        """Return everything from which an object can be reached, None when that is too much.

        A node of the page tree is only ever entered from its parent in the page tree.
        """
        found = {self.state.root_ref.idnum}
        ahead = [*self.scan.referrers(number), *self.scan.referrers(self.state.root_ref.idnum)]
        while ahead:
            one = ahead.pop()
            if one in found:
                continue
            found.add(one)
            if len(found) > _MOST_ANCESTORS:
                return None
            parent = self.page_parents.get(one)
            ahead += self.scan.referrers(one) if parent is None else parent
        return found

    def _tree_nodes(self, element: generic.DictionaryObject, wanted: set[int]) -> Iterator[int]:
        """Yield the structure elements among some objects, as the library counts them."""
        below = element.get("/K")
        below = below.get_object() if isinstance(below, generic.IndirectObject) else below  # type: ignore[no-untyped-call]
        for held in list.__iter__(below) if isinstance(below, list) else (below,):
            child = held
            if isinstance(held, generic.IndirectObject):
                if held.idnum not in wanted:
                    continue  # nor can anything below it be
                child = held.get_object()  # type: ignore[no-untyped-call]
            if not isinstance(child, generic.DictionaryObject):
                continue
            if "/Type" in child and child["/Type"] != "/StructElem":
                continue
            if isinstance(held, generic.IndirectObject):
                yield held.idnum
            yield from self._tree_nodes(child, wanted)


class _Walk:
    """One walk from the trailer to one object, entering only what leads there."""

    def __init__(
        self,
        state: _State,
        wanted: int,
        ancestors: set[int],
        pages: dict[Reference, Path],
        tree_nodes: set[int],
    ) -> None:
        self.state = state
        self.wanted = wanted
        self.ancestors = ancestors
        self.pages = pages
        self.tree_nodes = tree_nodes
        self.found: set[Path] = set()

    def into(self, item: Any, path: Path, seen: frozenset[int], *, in_tree: bool) -> None:
        """Collect the paths below a value; the library's own walk, with blinkers."""
        if isinstance(item, generic.IndirectObject):
            ref, number = item.reference, item.idnum
            if number in seen:
                return
            if number == self.wanted:
                self.found.add(path)
                return  # a path does not pass an object twice
            if number not in self.ancestors:
                return
            if path != self.pages.get(ref, path):
                return
            if not in_tree and number in self.tree_nodes:
                return
            seen = seen | {number}
            item = self.state.bare(ref)
        if isinstance(item, generic.DictionaryObject):
            for key, value in item.items():
                if key == "/Parent" or (in_tree and key == "/P"):
                    continue
                if isinstance(value, _HOLDERS):
                    enters = key == "/K" and path == _TREE_PATH
                    self.into(value, (*path, key), seen, in_tree=in_tree or enters)
        elif isinstance(item, generic.ArrayObject):
            for number, value in enumerate(list.__iter__(item)):
                if isinstance(value, _HOLDERS):
                    self.into(value, (*path, number), seen, in_tree=in_tree)


def _page_nodes(node: Any, path: Path) -> Iterator[tuple[Reference, Path]]:
    """Yield the nodes below a page tree node, as the library does."""
    for number, held in enumerate(node["/Kids"]):
        below = (*path, "/Kids", number)
        if isinstance(held, generic.IndirectObject):
            yield held.reference, below
        kid = held.get_object()
        if kid.get("/Type", None) == "/Pages":
            yield from _page_nodes(kid, below)


def _page_parents(pages: dict[Reference, Path]) -> dict[int, list[int]]:
    """Return for every node of the page tree the nearest node above it that is an object."""
    by_path = {path: ref.idnum for ref, path in pages.items()}
    found: dict[int, list[int]] = {}
    for ref, path in pages.items():
        above = path[:-2]
        while above and above not in by_path:
            above = above[:-2]
        found[ref.idnum] = [by_path[above]] if above else []
    return found


# ---------------------------------------------------------------- the policy


class _QuickPolicy(StandardDiffPolicy):
    """The library's policy; paths to a changed object are only asked for where a rule needs them.

    The library asks for all of them first, also of a page that everything on it points to, and
    then approves the page as a whole.
    """

    def apply(
        self,
        old: HistoricalResolver,
        new: HistoricalResolver,
        field_mdp_spec: FieldMDPSpec | None = None,
        doc_mdp: MDPPerm | None = None,
    ) -> DiffResult:
        """Judge one pair of states; see `StandardDiffPolicy.apply` (0.38.0)."""
        if self.reject_object_freeing and new.refs_freed_in_revision():  # type: ignore[no-untyped-call]
            raise SuspiciousModification("objects were freed")
        old._load_reverse_xref_cache()  # type: ignore[no-untyped-call]  # noqa: SLF001
        written: set[Reference] = new.explicit_refs_in_revision()  # type: ignore[no-untyped-call]
        approvals = _Approvals(old, written)
        if self.ignore_orphaned_objects:
            approvals.explained[ModificationLevel.LTA_UPDATES] |= _orphans(new)
        for rule in self.global_rules:
            for level, update in rule.apply_qualified(old, new):
                approvals.take(level, update)
        changed: set[str] = set()
        if self.form_rule:
            for level, update in self.form_rule.apply(old, new):
                approvals.take(level, update)
                name = update.field_name
                if name is not None and not update.valid_when_locked:
                    if field_mdp_spec is not None and field_mdp_spec.is_locked(name):
                        raise SuspiciousModification("a locked field was changed")
                    if update.updated_ref in written:
                        changed.add(name)
                if doc_mdp is not None and not update.valid_when_certifying:
                    raise SuspiciousModification("not allowed after a certification")
        return DiffResult(self._level(approvals, old, new), changed)

    def _level(
        self, approvals: "_Approvals", old: HistoricalResolver, new: HistoricalResolver
    ) -> ModificationLevel:
        explained = approvals.explained
        beyond_archive = approvals.written - explained[ModificationLevel.LTA_UPDATES]
        beyond_forms = beyond_archive - explained[ModificationLevel.FORM_FILLING]
        beyond_notes = beyond_forms - explained[ModificationLevel.ANNOTATIONS]
        if self.ignore_identical_objects:
            xrefs = old.reader.xrefs
            same = {
                ref
                for ref in beyond_archive
                if xrefs.get_historical_ref(ref, old.revision) is not None
                and _is_id(old(ref), new(ref))
            }
            beyond_archive, beyond_forms, beyond_notes = (
                rest - same for rest in (beyond_archive, beyond_forms, beyond_notes)
            )
        if beyond_notes:
            raise SuspiciousModification(f"unexplained objects in revision {new.revision}")
        if beyond_forms:
            return ModificationLevel.ANNOTATIONS
        return ModificationLevel.FORM_FILLING if beyond_archive else ModificationLevel.LTA_UPDATES


def _orphans(state: HistoricalResolver) -> set[Reference]:
    """Return the new objects that nothing of an update's state leads to; asked once a state."""
    if not isinstance(state, _State):
        found: set[Reference] = _find_orphans(state)
        return found
    if state.orphans is None:
        state.orphans = _find_orphans(state)
    return state.orphans


class _Approvals:
    """What the rules approved of, and the ways to it that they did not look at."""

    def __init__(self, old: HistoricalResolver, written: set[Reference]) -> None:
        self.old = old
        self.written = written
        self.explained: defaultdict[ModificationLevel, set[Reference]] = defaultdict(set)
        self._left: dict[Reference, set[Any]] = {}
        self._level: dict[Reference, ModificationLevel] = {}

    def take(self, level: ModificationLevel, update: ReferenceUpdate) -> None:
        """Count one approval; the object is explained once all ways to it are approved."""
        ref, kind = update.updated_ref, update.approval_type
        if ref not in self.written:
            return
        before = self._level.get(ref, ModificationLevel.NONE)
        if kind == ApprovalType.BLANKET_APPROVE and level >= before:
            # The same whether or not the object was in use before.
            self._left[ref] = set()
        elif not self._contexts(ref):
            self.explained[level].add(ref)
            return
        else:
            left = self._left.setdefault(ref, set(self._contexts(ref)))
            if kind == ApprovalType.BLANKET_APPROVE:
                left.clear()
            elif kind == ApprovalType.APPROVE_RELATIVE_CONTEXT:
                checked = update.context_checked
                self._left[ref] = {c for c in left if c.relative_view != checked}
            else:
                left.discard(update.context_checked)
        self._level[ref] = level = max(before, level)
        if not self._left[ref]:
            self.explained[level].add(ref)

    def _contexts(self, ref: Reference) -> set[Any]:
        usages = self.old._get_usages_of_ref(ref)  # noqa: SLF001
        return {Context.from_absolute(self.old, path) for path in usages}


_POLICY: Final = _QuickPolicy(DEFAULT_DIFF_POLICY.global_rules, DEFAULT_DIFF_POLICY.form_rule)


def judged(emb: EmbeddedPdfSignature) -> None:
    """Compute integrity, coverage and differences of a signature, quickly where that is sound.

    Stricter than the library in one thing: see `defined_later`.

    Args:
        emb: A signature of a file opened with `Reader`; any other is judged by the library alone.

    Raises:
        Exception: Whatever the library's `compute_integrity_info` raises.
    """
    reader = emb.reader
    if isinstance(reader, Reader):
        _digest(emb, reader)
    policy = REVIEWER if isinstance(reader, Reader) else None
    emb.compute_integrity_info(diff_policy=policy)  # type: ignore[no-untyped-call]
    found: Any = emb.diff_result
    if isinstance(reader, Reader) and isinstance(found, DiffResult):
        filled_in = defined_later(reader, emb.signed_revision)
        if filled_in:
            found = SuspiciousModification(
                f"the signed part refers to what was defined later: {sorted(filled_in)[:5]}"
            )
    emb.diff_result = found


def defined_later(reader: Reader, revision: int) -> set[int]:
    """Return the numbers a state refers to that only later updates define, once it was reviewed.

    The library takes such an object for a harmless new one when it reads leniently: whoever
    prepares a file with a reference to nothing could fill it in after the signature.

    Args:
        reader: The file.
        revision: The signed state.
    """
    state = reader.get_historical_resolver(revision)
    mapped = state._indirect_object_access_cache  # noqa: SLF001 — None: `references` made sure
    xrefs = reader.xrefs
    later = range(revision + 1, xrefs.total_revisions)
    return {
        ref.idnum
        for ref in mapped or ()
        if xrefs.get_historical_ref(ref, revision) is None
        and any(ref in xrefs.explicit_refs_in_revision(n) for n in later)
    }


def _digest(emb: EmbeddedPdfSignature, reader: Reader) -> None:
    """Compute the digest of the signed range, where its shape is sound; else the library does."""
    numbers = list(emb.byte_range)
    algorithm = emb.external_md_algorithm
    if algorithm not in _DIGESTS or len(numbers) != 4:
        return
    if not all(type(n) is generic.NumberObject and 0 <= n <= len(reader.data) for n in numbers):
        return
    zero, first, second, last = (int(n) for n in numbers)
    if zero == 0 and first <= second and second + last <= len(reader.data):
        emb.external_digests[algorithm] = reader.digest(algorithm, ((0, first), (second, last)))


class _Shared(DiffPolicy):
    """Reviews a file once for all signatures that ask the same."""

    def review_file(
        self,
        reader: PdfFileReader,
        base_revision: int | HistoricalResolver,
        field_mdp_spec: FieldMDPSpec | None = None,
        doc_mdp: MDPPerm | None = None,
    ) -> DiffResult | SuspiciousModification:
        """Return what the policy says of everything after a revision."""
        if field_mdp_spec is not None or not isinstance(reader, Reader):
            return _POLICY.review_file(reader, base_revision, field_mdp_spec, doc_mdp)
        key = (base_revision, doc_mdp)
        if key not in reader.judgements:
            reader.judgements[key] = _POLICY.review_file(reader, base_revision, None, doc_mdp)
        found: DiffResult | SuspiciousModification = reader.judgements[key]
        return found


REVIEWER: Final[DiffPolicy] = _Shared()
"""The difference analysis of this module, for any file; quick for one opened with `Reader`."""


def open_pdf(data: bytes, *, strict: bool) -> Reader:
    """Open a file for verification; this process remembers what it works out from here on.

    Args:
        data: The whole file.
        strict: Stop at faults that the library would otherwise mend.

    Raises:
        Exception: Whatever the library's reader raises.
    """
    remember()
    return Reader(data, strict=strict)
