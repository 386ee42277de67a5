"""Packets handed over beforehand: for who brought them, for a while, and for nobody else."""

import hashlib
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from gateway.codec.limits import Limits
from gateway.errors import Reason, RejectedError
from gateway.ports import Caller
from gateway.programs.admission import OpenHouse
from gateway.programs.context import Policy
from gateway.programs.uploads import BlobUploads
from tests.world.fake_frontdoor import FakeClock
from tests.world.memory_blobs import MemoryBlobs

ONE, OTHER = Caller("qlvb", frozenset({"H37"})), Caller("qlvb-xa", frozenset({"H37.71"}))
KEYS = [b"k" * 32]
LETTER = b"<edXML/>"


def made(keys=KEYS):
    limits = replace(Limits(), packet_bytes=100)
    context = SimpleNamespace(
        gatekeeper=OpenHouse(),
        policy=Policy("00", limits=limits),
        blobs=MemoryBlobs(),
        clock=FakeClock(),
    )
    return BlobUploads(context, lambda: keys), context


async def pieces(*chunks):
    for chunk in chunks:
        yield chunk


async def unknown(uploads, upload_id, caller=ONE):
    with pytest.raises(RejectedError) as refused:
        await uploads.open(caller, upload_id)
    assert refused.value.reason is Reason.NOT_FOUND


async def test_what_was_kept_is_there_for_who_brought_it_and_nobody_else():
    uploads, _ = made()
    kept = await uploads.keep(ONE, pieces(LETTER[:3], LETTER[3:]))
    assert (kept.sha256, kept.size_bytes) == (hashlib.sha256(LETTER).hexdigest(), len(LETTER))
    packet = await uploads.open(ONE, kept.id)
    assert b"".join([chunk async for chunk in packet.chunks]) == LETTER
    assert packet.sha256 == kept.sha256
    await unknown(uploads, kept.id, OTHER)


async def test_it_ends_before_the_janitor_may_take_it():
    uploads, context = made()
    kept = await uploads.keep(ONE, pieces(LETTER))
    left = kept.expires_at - context.clock.now()
    assert timedelta(hours=12) <= left < context.policy.orphan_age - timedelta(hours=1)
    context.clock.at = kept.expires_at
    await unknown(uploads, kept.id)


async def test_an_id_nobody_gave_names_nothing():
    uploads, context = made()
    kept = await uploads.keep(ONE, pieces(LETTER))
    forged = [kept.id[:n] + ("A" if kept.id[n] != "A" else "B") + kept.id[n + 1 :] for n in (0, 60)]
    for wrong in (*forged, "", "a", "not base64!", kept.id[:-4], kept.id + "AAAA", "A" * 5000, "é"):
        await unknown(uploads, wrong)
    foreign, _ = made([b"x" * 32])
    foreign._context = context
    await unknown(foreign, kept.id)


async def test_a_changed_key_file_still_knows_what_it_gave():
    keys = [b"k" * 32]
    uploads, _ = made(keys)
    kept = await uploads.keep(ONE, pieces(LETTER))
    keys.insert(0, b"n" * 32)
    assert (await uploads.open(ONE, kept.id)).size_bytes == len(LETTER)


async def test_bytes_that_are_gone_are_asked_for_again():
    uploads, context = made()
    kept = await uploads.keep(ONE, pieces(LETTER))
    context.blobs.kept.clear()
    await unknown(uploads, kept.id)


async def test_too_large_leaves_nothing():
    uploads, context = made()
    with pytest.raises(RejectedError) as refused:
        await uploads.keep(ONE, pieces(b"x" * 60, b"x" * 60))
    assert refused.value.reason is Reason.TOO_LARGE
    assert not context.blobs.kept
    assert not context.blobs.open


async def test_nothing_is_no_packet():
    uploads, context = made()
    with pytest.raises(RejectedError) as refused:
        await uploads.keep(ONE, pieces())
    assert refused.value.reason is Reason.BAD_REQUEST
    assert not context.blobs.kept
    assert not context.blobs.open
