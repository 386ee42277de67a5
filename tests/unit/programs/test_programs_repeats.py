"""What a submission is compared by, and the answer a repeat is owed (DID-01, DID-05, DID-07)."""

import asyncio
import json
from dataclasses import replace
from datetime import date
from types import SimpleNamespace

import pytest

from gateway.domain.directory import Agency, Directory, NumberedBy
from gateway.domain.envelope import Attachment, Envelope, Header, Organization
from gateway.programs import repeats

HEADER = Header(
    sender=Organization("000.00.02.H37"),
    recipients=(Organization("H37.04"),),
    code_number="12",
    code_notation="SNV-VP",
    promulgation_date=date(2026, 3, 5),
    subject="V/v",
)
FILE = Attachment(0, "a.txt", "a.txt", "a", "text/plain", "", "ab" * 32, 3)


def _context(form="code,date,notation", numbered_by=NumberedBy.GATEWAY):
    agency = Agency("H37.02", "Sở Nội vụ", legacy_code="000.00.02.H37", numbered_by=numbered_by)
    directory = Directory([agency])
    return SimpleNamespace(
        policy=SimpleNamespace(document_id_form=form), directory=lambda: directory
    )


def _identify(context=None, **change):
    envelope = Envelope(replace(HEADER, **change), (), (FILE,))
    return repeats.identify(context or _context(), envelope, "H37.02")


def test_the_senders_own_identifier_is_kept_verbatim():
    assert _identify(document_id="  VB/1 ").document_id == "  VB/1 "


def test_by_default_it_is_made_of_the_canonical_code():
    assert _identify().document_id == "H37.02,2026/03/05,12/SNV-VP"


def test_blank_is_none():
    assert _identify(document_id="   ").document_id == "H37.02,2026/03/05,12/SNV-VP"


ORDINAL = "code,year,ordinal"


def test_an_ordinal_is_not_known_before_it_is_taken():
    assert _identify(_context(ORDINAL)).document_id == ""
    # DID-01: who numbers itself has no counter here
    own = _context(ORDINAL, NumberedBy.OWN_SYSTEM)
    assert _identify(own).document_id == "H37.02,2026/03/05,12/SNV-VP"


@pytest.mark.parametrize(
    "change", [{"promulgation_date": None}, {"code_number": " "}, {"code_number": ""}]
)
def test_incomplete_ones_have_none_and_do_not_fail(change):
    found = _identify(**change)
    assert (found.document_id, found.unusable) == ("", None)


def test_what_none_can_be_made_of_says_why():
    found = _identify(code_notation="X" * 300)
    assert found.document_id == ""
    (finding,) = found.unusable.findings
    assert finding.rule == "DID-01"
    assert finding.vi
    assert finding.en


def test_the_digest_is_the_same_under_every_code_of_the_sender():
    written = {"000.00.02.H37", "H37.02", "h37.02"}
    digests = {_identify(sender=Organization(code)).digest for code in written}
    assert len(digests) == 1
    assert _identify(subject="khác").digest not in digests


def _row(document_id, digest="d", year=None, ordinal=None):
    return {
        "sender": "H37.02",
        "document_id": document_id,
        "digest": digest,
        "issue_year": year,
        "issue_ordinal": ordinal,
    }


def test_without_an_identifier_only_the_same_content_is_the_same():
    unnamed = replace(_identify(_context(ORDINAL)), digest="d")
    assert repeats.is_same(_row(None), unnamed)
    assert repeats.is_same(_row("H37.02,2026,7", "d", 2026, 7), unnamed)
    # evil twins: other content; the same content under the sender's own identifier
    assert not repeats.is_same(_row(None, "e"), unnamed)
    assert not repeats.is_same(_row("VB-1", "d", 2026, 7), unnamed)
    named = _identify(document_id="VB-1")
    assert repeats.is_same(_row("VB-1", "e"), named)
    assert not repeats.is_same(_row("VB-2", named.digest), named)


class _Answers:
    """A ledger with one consignment's events, and blobs that hold later answers."""

    def __init__(self, *later):
        self.blobs = {f"{n:064x}": json.dumps(a).encode() for n, a in enumerate(later, 1)}

    async def all(self, query, **params):
        assert query == "events_of"
        data = [json.dumps({"count": 1, "answer": name}) for name in self.blobs]
        return [{"type": "accepted", "data": "{}"}] + [
            {"type": repeats.ADDED, "data": text} for text in data
        ]

    async def has(self, name):
        return name in self.blobs

    async def stream(self, name):
        yield self.blobs[name]


def _answer(*agencies):
    return {"deliveries": [{"agency": a, "state": "pending", "reason": ""} for a in agencies]}


@pytest.mark.parametrize(
    ("asked", "told"),
    [(("A",), 0), (("B",), 1), (("A", "B"), 1), (("C", "A"), 2), (("A", "B", "C"), 2), (("Z",), 2)],
)
async def test_the_first_answer_that_covers_the_recipients(asked, told):
    given = [_answer("A"), _answer("A", "B"), _answer("A", "B", "C")]
    store = _Answers(*given[1:])
    context = SimpleNamespace(ledger=store, blobs=store)
    row = {"id": "1", "document_id": None, "answer": json.dumps(given[0])}
    replayed = await repeats.replay(context, row, asked)
    assert json.loads(replayed.answer_json) == given[told]
    assert replayed.replayed
    assert replayed.document_id == ""


async def test_after_a_purge_only_the_stub_is_left():
    store = _Answers(_answer("A", "B"))
    store.has = lambda _name: asyncio.sleep(0, False)
    context = SimpleNamespace(ledger=store, blobs=store)
    row = {"id": "1", "document_id": "X", "answer": json.dumps(_answer())}
    replayed = await repeats.replay(context, row, ("B",))
    assert json.loads(replayed.answer_json) == _answer()
