"""LedgerReceipts: what an export reads is what the log holds, streamed, at one moment."""

import io
import tracemalloc
from datetime import datetime

import pytest

from gateway.errors import IntegrityError, Reason, RejectedError
from gateway.receipts import bundle, log, proof, sign
from gateway.store.places import SqliteFile
from gateway.store.receipts import LedgerReceipts, sign_head_now
from tests.world import ledger_rows as rows
from tests.world.ledgers import ask
from tests.world.receipt_log import AT, key

KEY = key()


def sign_head(place):
    sign_head_now(place, KEY, datetime.fromisoformat(AT))
    (newest,) = ask(place, "SELECT jws FROM tree_head ORDER BY size DESC LIMIT 1")
    return proof.read_head(newest["jws"].encode())


def accepted(row_id, document_id):
    """A consignment and the entry its acceptance receipt was given for."""
    entry = rows.entry(row_id, document_id, consignment_id=row_id)
    receipt = sign.acceptance_receipt(
        KEY,
        sign.Acceptance(
            gateway="truc",
            consignment_id=row_id,
            document_id=document_id,
            sender="H37.02",
            recipients=["H37.03"],
            packet_sha256=rows.sha(1),
            content_sha256=rows.sha(2),
            attachments=[],
            accepted_at=AT,
            entry_id=entry.values["id"],
            entry_hash=entry.values["entry_hash"],
        ),
    )
    return [rows.consignment(row_id, document_id, receipt=receipt), entry]


@pytest.fixture
def opened(place):
    made = []

    def opening(**more):
        made.append(LedgerReceipts(place, "truc-thu-nghiem", KEY, **more))
        return made[-1]

    yield opening
    for source in made:
        source.close()


def export(source, **more):
    out = io.BytesIO()
    done = bundle.write_bundle(out, source, at=AT, **more)
    return done, out.getvalue()


def verify(data, head=None):
    return proof.verify(io.BytesIO(data), {KEY.kid: KEY.public}, head)


def test_an_empty_log_has_nothing_to_export(opened):
    source = opened()
    assert source.latest_head() is None
    assert list(source.tree_heads()) == list(source.entries(None, 0)) == []
    with pytest.raises(RejectedError) as caught:
        export(source)
    assert caught.value.reason is Reason.NOT_FOUND


def test_a_whole_log_verifies(place, write, opened):
    write(*accepted("c1", "d1"), rows.entry("a1"))
    first = sign_head(place)
    write(*accepted("c2", "d2"), *(rows.entry(f"s{i}") for i in range(10)))
    last = sign_head(place)
    done, data = export(opened())
    assert (done.entries, done.tree_heads, done.acceptance_receipts) == (13, 2, 2)
    assert done.root == last.root.hex()
    for head in (None, first, last):
        report = verify(data, head)
        assert (report.exit_code, report.acceptance_receipts) == (0, 2)


def test_entries_after_the_last_head_wait_for_the_next(place, write, opened):
    write(rows.entry("s1"))
    sign_head(place)
    write(rows.entry("s2"))
    done, data = export(opened())
    assert done.entries == 1
    assert verify(data).exit_code == 0


def test_a_change_of_one_row_is_found(place, write, opened, sql):
    write(*accepted("c1", "d1"), *(rows.entry(f"s{i}") for i in range(5)))
    sign_head(place)
    sql("UPDATE receipt_entry SET body = replace(body, 'accepted', 'returned') WHERE idx = 3")
    report = verify(export(opened())[1])
    assert (report.exit_code, report.index) == (1, 3)


def test_a_missing_row_is_never_exported_as_a_whole_log(place, write, opened, sql):
    write(*(rows.entry(f"s{i}") for i in range(5)))
    sign_head(place)
    sql("DELETE FROM receipt_entry WHERE idx = 2")
    with pytest.raises(IntegrityError):
        export(opened())


def test_a_damaged_tree_head_is_said(place, write, opened, sql):
    write(rows.entry("s1"))
    sign_head(place)
    sql("UPDATE tree_head SET jws = 'x.y.z'")
    with pytest.raises(IntegrityError, match="size 1"):
        opened().latest_head()


# ---------------------------------------------------------------- one document


@pytest.fixture
def documents(place, write):
    """Two documents with everything that can stand in the log about them."""
    write(
        *accepted("c1", "d1"),
        *accepted("c2", "d2"),
        rows.delivery("v1", "c1"),
        rows.entry("c1", "d1", kind="handed_over"),
        rows.entry("v1", kind="status"),
        rows.entry("a1", "d1", kind="arrived_at_gateway"),
        rows.entry("c1", "d1", kind="accepted"),
        rows.entry("v9", kind="status"),
        rows.entry("c1", kind="quarantined"),
    )
    return sign_head(place)


def indexes(source, document):
    return [entry.index for entry in source.entries(document, 100)]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("c1", [0, 2, 3, 5, 7]),
        ("d1", [0, 2, 4, 5, 7]),
        ("a1", [4]),
        ("c2", [1]),
        ("d2", [1]),
        ("v1", [3]),
        ("nobody", []),
        ("", []),
        ("%", []),
    ],
)
def test_entries_about_a_document(documents, opened, document, expected):
    assert indexes(opened(), document) == expected


@pytest.mark.parametrize("document", ["c1", "d1", "a1"])
def test_one_document_verifies_with_its_proofs(place, write, documents, opened, document):
    write(*(rows.entry(f"later{i}") for i in range(20)))
    later = sign_head(place)
    done, data = export(opened(), document=document, earlier=documents)
    assert done.tree_size == later.size
    report = verify(data, documents)
    assert report.exit_code == 0


def test_the_receipt_stands_beside_the_entry_it_was_given_for(documents, opened):
    with_receipt = [e.index for e in opened().entries(None, 100) if e.receipt]
    assert with_receipt == [0, 1]


# ---------------------------------------------------------------- one moment, streamed


def test_an_export_sees_one_moment(place, write, opened):
    write(rows.entry("s1"), rows.entry("s2"))
    sign_head(place)
    source = opened()
    write(*(rows.entry(f"late{i}") for i in range(5)))
    sign_head(place)
    assert source.latest_head().size == 2
    assert [e.index for e in source.entries(None, 100)] == [0, 1]
    assert opened().latest_head().size == 7


def test_earlier_keys_come_after_the_present_one(opened):
    old = sign.public_pem(key(2))
    assert opened(earlier_keys=[old]).public_keys() == [sign.public_pem(KEY), old]
    assert opened().gateway() == "truc-thu-nghiem"


def test_memory_does_not_grow_with_the_log(place, write, opened):
    write(*(rows.entry(f"s{i}", sha256=rows.sha(i)) for i in range(4000)))
    sign_head(place)

    class Nowhere(io.RawIOBase):
        def write(self, data):
            return len(data)

    source = opened()
    tracemalloc.start()
    done = bundle.write_bundle(Nowhere(), source, at=AT)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.entries == 4000
    assert done.size_bytes > 1_500_000
    # A server sends a hundred rows at a time; the log itself would take five million bytes.
    assert peak < (300_000 if isinstance(place, SqliteFile) else 1_200_000)


def test_what_the_log_holds_is_canonical(documents, opened):
    for entry in opened().entries(None, 100):
        assert log.chain_hash(entry.prev_hash, entry.index, log.entry_hash(entry.body)) == (
            entry.chain_hash
        )
