"""The store of revocation information: every list and answer ever taken, kept as evidence.

A list is taken only when a trusted authority signed it; an OCSP answer only when its responder was
authorised. Promises: what was taken is never deleted; the bytes are durable before the index names
them, so a crash between the two leaves an object that the next `rebuild`, or taking it again, puts
in; the index can always be made again from the objects, with equal answers. One writer at a time:
a second one waits.

    revocation/objects/ab/ab12….crl|.ocsp|.crt   the bytes, named by their SHA-256
    revocation/index.sqlite                      what they say
    revocation/incoming, taken, refused          the drop folder (`gateway.verifier.watch`)
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from asn1crypto import x509

from gateway import faults
from gateway.errors import ConfigurationError, UnavailableError
from gateway.ports.revocation import age_state
from gateway.trust.crl import RefusedListError
from gateway.trust.lists import (
    KnownList,
    aware,
    key_key,
    may_sign_lists,
    name_key,
    printed_name,
    taken_list,
)
from gateway.trust.ocsp import read_answer, subjects_of
from gateway.verifier.crl_index import (
    FILE_NAME,
    CrlIndex,
    add_answer,
    add_list,
    connect,
    has_item,
    object_path,
)

MAX_LIST_BYTES: Final = 64 * 1024 * 1024
MAX_ANSWER_BYTES: Final = 256 * 1024
NOT_COUNTED: Final = -1
_LAST: Final = 1 << 62


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one list or answer.

    Args:
        sha256: Of its DER.
        kind: `crl` or `ocsp`.
        issuer: Common name of the authority.
        number: CRL number, or "".
        this_update: When it was issued.
        next_update: Until when it is in force, None when it does not say.
        entries: Certificates on it.
        new: It was not kept before.
    """

    sha256: str
    kind: str
    issuer: str
    number: str
    this_update: datetime
    next_update: datetime | None
    entries: int
    new: bool


@dataclass(frozen=True, slots=True)
class AuthorityState:
    """One authority of the trust folder and its newest list.

    Args:
        issuer: Common name.
        certificate: SHA-256 of the authority's certificate.
        state: `ok`, `ageing` (soon over), `expired`, `missing`, or `ended` for an authority whose
            own certificate is over.
        sha256: Of the newest list, or "".
        number: Its number, or "".
        this_update: When it was issued.
        next_update: Until when it is in force.
        entries: Certificates on it; -1 for a list that lies in the trust folder only.
        generations: Lists kept of this authority.
    """

    issuer: str
    certificate: str
    state: str
    sha256: str = ""
    number: str = ""
    this_update: datetime | None = None
    next_update: datetime | None = None
    entries: int = 0
    generations: int = 0


class RevocationStore:
    """The folder, opened for writing.

    Args:
        folder: Made when missing.
        now: The clock.
        anew: Put an index that cannot be opened aside and begin an empty one, to `rebuild` it.

    Raises:
        ConfigurationError: The folder cannot be written, or the index is no index.
    """

    def __init__(
        self, folder: Path, now: Callable[[], datetime] | None = None, *, anew: bool = False
    ) -> None:
        self.folder = folder.absolute()
        self._now = now or (lambda: datetime.now(UTC))
        self._turn = threading.Lock()
        try:
            for part in (self.folder, self.folder / "objects"):
                part.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._connection = self._open(anew=anew)
        except (OSError, sqlite3.Error) as exc:
            raise ConfigurationError(f"{folder}: the revocation store cannot be used") from exc

    def _open(self, *, anew: bool) -> sqlite3.Connection:
        path = self.folder / FILE_NAME
        try:
            return connect(path, write=True)
        except sqlite3.DatabaseError:
            if not anew:
                raise
            path.replace(path.with_name(f"index.broken-{self._now():%Y%m%dT%H%M%S}"))
            return connect(path, write=True)

    def close(self) -> None:
        """Close the index, once what is being taken is in."""
        with self._turn:
            self._connection.close()

    def take(self, der: bytes, issuers: Sequence[x509.Certificate]) -> Taken:
        """Verify a list or an OCSP answer and keep it.

        Args:
            der: Its bytes.
            issuers: Trusted authorities.

        Raises:
            RefusedListError: It is not taken; says why.
            UnavailableError: The disk or the index does not let us.
        """
        with self._turn, _storage():
            answer = subjects_of(der)
            if answer:
                return self._take_answer(der, issuers, answer)
            return self._take_list(der, issuers)

    def _take_list(self, der: bytes, issuers: Sequence[x509.Certificate]) -> Taken:
        if len(der) > MAX_LIST_BYTES:
            raise RefusedListError("danh sách quá lớn (64 MiB)", "the list is too large (64 MiB)")
        found = taken_list(der, issuers)
        known, head = found.known, found.known.head
        new = not has_item(self._connection, head.sha256)
        if new:
            self._keep(found.issuer.sha256.hex(), "crt", found.issuer.dump())
            self._keep(head.sha256, "crl", der)
            faults.reach("revocation.after-object")
            with _transaction(self._connection):
                if not has_item(self._connection, head.sha256):
                    add_list(self._connection, known, found.entries, self._now())
        return Taken(
            sha256=head.sha256,
            kind="crl",
            issuer=known.issuer,
            number=head.number,
            this_update=aware(head.this_update),
            next_update=None if head.next_update is None else aware(head.next_update),
            entries=len(found.entries),
            new=new,
        )

    def _take_answer(
        self, der: bytes, issuers: Sequence[x509.Certificate], serials: Sequence[int]
    ) -> Taken:
        if len(der) > MAX_ANSWER_BYTES:
            raise RefusedListError("trả lời OCSP quá lớn", "the OCSP answer is too large")
        trouble = RefusedListError(
            "không có chứng thư của CA liên quan trong kho tin cậy; nạp chứng thư CA trước",
            "no certificate of the authority concerned is trusted; import it first",
        )
        for issuer in issuers:
            try:
                answer = read_answer(der, issuer, serials[0])
            except RefusedListError as exc:
                trouble = exc
                continue
            new = not has_item(self._connection, answer.sha256)
            if new:
                self._keep(issuer.sha256.hex(), "crt", issuer.dump())
                self._keep(answer.sha256, "ocsp", der)
                faults.reach("revocation.after-object")
                with _transaction(self._connection):
                    if not has_item(self._connection, answer.sha256):
                        add_answer(self._connection, answer, issuer, self._now())
            return Taken(
                sha256=answer.sha256,
                kind="ocsp",
                issuer=printed_name(issuer),
                number="",
                this_update=answer.this_update,
                next_update=answer.next_update,
                entries=int(answer.revoked_at is not None),
                new=new,
            )
        raise trouble

    def _keep(self, sha256: str, kind: str, data: bytes) -> None:
        """Write an object durably: its bytes, its name, its folder's name."""
        path = object_path(self.folder, sha256, kind)
        if path.exists():
            return
        path.parent.mkdir(mode=0o700, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        for folder in (path.parent, path.parent.parent):
            _sync_folder(folder)

    # ------------------------------------------------------------ asking

    def authorities(
        self, issuers: Sequence[x509.Certificate], now: datetime
    ) -> tuple[AuthorityState, ...]:
        """Return each trusted authority with its newest list, by name."""
        with self._turn, _storage():
            return _authorities(self._connection, issuers, now, ())

    def news(self, after: int) -> tuple[int, tuple[str, ...]]:
        """Return whose lists and answers came in after an item, by whatever process.

        Args:
            after: What the last call returned; -1 to begin now.

        Raises:
            UnavailableError: The index cannot be read, or is closed.
        """
        # In turn, as everything here: a connection closed under a reader takes the process down.
        with self._turn, _storage():
            top = self._connection.execute("SELECT coalesce(max(id), 0) FROM item").fetchone()[0]
            if after < 0 or top == after:
                return top, ()
            rows = self._connection.execute(
                "SELECT s.issuer FROM list l JOIN source s ON s.id = l.source WHERE l.item > ?"
                " UNION SELECT issuer FROM answer WHERE item > ? ORDER BY 1",
                (after, after),
            ).fetchall()
            return top, tuple(name for (name,) in rows)

    def rebuild(self, issuers: Sequence[x509.Certificate] = ()) -> tuple[int, list[str]]:
        """Make the index again from the objects, and put it in the old one's place.

        Args:
            issuers: Trusted authorities, beside those kept with the objects.

        Returns:
            How many items are in the new index, and the names of objects that do not verify.
        """
        with self._turn, _storage():
            fresh = self.folder / "index.new"
            fresh.unlink(missing_ok=True)
            connection = connect(fresh, write=True)
            try:
                with _transaction(connection):
                    count, lost = self._refill(connection, issuers)
            finally:
                connection.close()
            # Whoever has the old file open goes on with it; its answers are the same.
            self._connection.close()
            fresh.replace(self.folder / FILE_NAME)
            _sync_folder(self.folder)
            self._connection = connect(self.folder / FILE_NAME, write=True)
            return count, lost

    def _refill(
        self, connection: sqlite3.Connection, issuers: Sequence[x509.Certificate]
    ) -> tuple[int, list[str]]:
        known = [*issuers, *self._kept_certificates()]
        before = self._order_taken()
        never = (_LAST, self._now())
        paths = [
            (before.get(path.stem, never), path.stat().st_mtime_ns, path)
            for path in sorted((self.folder / "objects").glob("??/*"))
            if path.suffix in {".crl", ".ocsp"}
        ]
        count, lost = 0, []
        for (_, taken_at), _, path in sorted(paths, key=lambda row: (row[0][0], *row[1:])):
            if self._refill_one(connection, path, known, taken_at):
                count += 1
            else:
                lost.append(path.name)
        return count, lost

    def _order_taken(self) -> dict[str, tuple[int, datetime]]:
        """Return in which order items came and when: earlier identities stay known."""
        try:
            rows = self._connection.execute("SELECT sha256, id, taken_at FROM item").fetchall()
        except sqlite3.Error:
            return {}
        return {sha256: (n, datetime.fromtimestamp(at, UTC)) for sha256, n, at in rows}

    def _refill_one(
        self,
        connection: sqlite3.Connection,
        path: Path,
        known: Sequence[x509.Certificate],
        taken_at: datetime,
    ) -> bool:
        der = path.read_bytes()
        if path.suffix == ".crl":
            try:
                found = taken_list(der, known)
            except RefusedListError:
                return False
            add_list(connection, found.known, found.entries, taken_at)
            return True
        for issuer in known:
            with suppress(RefusedListError):
                answer = read_answer(der, issuer, (*subjects_of(der), 0)[0])
                add_answer(connection, answer, issuer, taken_at)
                return True
        return False

    def _kept_certificates(self) -> Iterator[x509.Certificate]:
        for path in sorted((self.folder / "objects").glob("??/*.crt")):
            with suppress(ValueError, TypeError):
                cert = x509.Certificate.load(path.read_bytes(), strict=True)
                _ = cert.subject.hashable
                yield cert


def authorities_in(
    folder: Path,
    issuers: Sequence[x509.Certificate],
    now: datetime,
    beside: Sequence[KnownList] = (),
) -> tuple[AuthorityState, ...]:
    """Return the same of a folder, without opening it for writing; it may be missing.

    Args:
        folder: The revocation folder.
        issuers: The trusted authorities.
        now: The time in question.
        beside: Lists that lie in the trust folder.

    Raises:
        UnavailableError: The index cannot be read.
    """
    if not (folder / FILE_NAME).is_file():
        return _authorities(None, issuers, now, beside)
    with _storage():
        connection = connect(folder / FILE_NAME, write=False)
        try:
            return _authorities(connection, issuers, now, beside)
        finally:
            connection.close()


def _authorities(
    connection: sqlite3.Connection | None,
    issuers: Sequence[x509.Certificate],
    now: datetime,
    beside: Sequence[KnownList],
) -> tuple[AuthorityState, ...]:
    found = [_state(connection, c, now, beside) for c in issuers if may_sign_lists(c)]
    return tuple(sorted(found, key=lambda s: (s.issuer, s.certificate)))


def _state(
    connection: sqlite3.Connection | None,
    cert: x509.Certificate,
    now: datetime,
    beside: Sequence[KnownList],
) -> AuthorityState:
    query = (
        "SELECT i.sha256, l.number, l.this_update, l.next_update, l.entries FROM source s"
        " JOIN list l ON l.source = s.id JOIN item i ON i.id = l.item"
        " WHERE s.name_key = ? AND s.key_key = ?"
    )
    who = (name_key(cert.subject), key_key(cert))
    stored = [] if connection is None else connection.execute(query, who).fetchall()
    rows = {sha256: (at, number, until, count) for sha256, number, at, until, count in stored}
    for one in beside:
        if one.issued_by(cert):
            head = one.head
            until = None if head.next_update is None else int(head.next_update.timestamp())
            told = (int(head.this_update.timestamp()), head.number, until, NOT_COUNTED)
            rows.setdefault(head.sha256, told)
    name, digest = printed_name(cert), cert.sha256.hex()
    over = aware(cert.not_valid_after) < now
    if not rows:
        return AuthorityState(name, digest, "ended" if over else "missing")
    sha256 = max(rows, key=lambda key: (rows[key][0], key))
    issued, number, until, entries = rows[sha256]
    this_update = datetime.fromtimestamp(issued, UTC)
    next_update = None if until is None else datetime.fromtimestamp(until, UTC)
    return AuthorityState(
        issuer=name,
        certificate=digest,
        state="ended" if over else age_state(this_update, next_update, now),
        sha256=sha256,
        number=number,
        this_update=this_update,
        next_update=next_update,
        entries=entries,
        generations=len(rows),
    )


def open_index(folder: Path | None) -> CrlIndex | None:
    """Open the index for reading, None when there is none (yet) or it cannot be read."""
    if folder is None or not (folder / FILE_NAME).is_file():
        return None
    try:
        return CrlIndex(folder)
    except sqlite3.Error:
        return None


# ---------------------------------------------------------------- durability


@contextmanager
def _storage() -> Iterator[None]:
    try:
        yield
    except (OSError, sqlite3.Error) as exc:
        raise UnavailableError(
            public=f"the revocation store cannot be written: {type(exc).__name__}"
        ) from exc


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
