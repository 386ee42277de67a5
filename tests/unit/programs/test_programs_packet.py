"""The packet's own signature is verified beside the files and counts for no verdict (SIG-08)."""

import asyncio
import hashlib
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

from gateway.domain.envelope import Envelope
from gateway.ports import BlobInfo
from gateway.programs.verifying import signed_packet, verify_files
from gateway.trust.anchors import TrustStore
from gateway.trust.report import Verdict
from gateway.trust.verify import verify_file
from gateway.verifier.examine import quick_report_of
from tests.world import signed_xml as made
from tests.world.rule_facts import HEADER, attachment
from tests.world.signed_files import NOW, pki
from tests.world.signed_xml import HERE, How, changed, sign

AT = NOW + timedelta(minutes=10)
TEXT = b"Kinh gui"


class _Blobs:
    """Blobs in memory that are files when somebody wants a path."""

    def __init__(self, folder, *contents):
        self.folder = folder
        self.contents = {hashlib.sha256(c).hexdigest(): c for c in contents}

    def chunks(self, sha256):
        return [self.contents[sha256]]

    async def stream(self, sha256):
        yield self.contents[sha256]

    @asynccontextmanager
    async def local(self, sha256):
        path = self.folder / sha256
        path.write_bytes(self.contents[sha256])
        yield path


class _Verifier:
    """Verifies in this process."""

    def quick(self, data, *, sha256, at):
        return quick_report_of(data, sha256=sha256, at=at, trust_sha256="")

    async def verify(self, path, *, sha256, size_bytes, at, lane):
        assert path.stat().st_size == size_bytes
        data, store = path.read_bytes(), TrustStore.load(pki().trust_dir)
        # As in a verifier process: where no loop runs.
        return await asyncio.to_thread(
            verify_file, data, sha256=sha256, at=at, store=store, pdf_expected=False
        )


async def _verdicts(packet, folder):
    file = replace(attachment(), sha256=hashlib.sha256(TEXT).hexdigest(), size_bytes=len(TEXT))
    received = BlobInfo(hashlib.sha256(packet).hexdigest(), len(packet))
    blobs = _Blobs(folder, TEXT, packet)
    context = SimpleNamespace(blobs=blobs, verifier=_Verifier(), evidence=None, scanner=None)
    return received, await verify_files(context, [file], AT, packet=received)


async def test_a_good_packet_is_told_and_its_report_kept(tmp_path):
    packet = sign(made.PACKET, How(signer="agency"))
    received, verdicts = await _verdicts(packet, tmp_path)
    assert verdicts.packet is not None
    assert (verdicts.packet.verdict, verdicts.packet.sha256) == (Verdict.VALID, received.sha256)
    assert len(verdicts.reports) == 1
    assert verdicts.verdict is Verdict.UNSIGNED
    assert [n["sha256"] for n in verdicts.named] == [received.sha256]
    assert [row.values["verdict"] for row in verdicts.rows] == ["valid"]


async def test_a_changed_packet_does_not_condemn_the_document(tmp_path):
    packet = changed(sign(made.PACKET, How(signer="agency")), "V/v họp", "V/v khác")
    _, verdicts = await _verdicts(packet, tmp_path)
    assert verdicts.packet is not None
    assert verdicts.packet.verdict is Verdict.INVALID
    assert verdicts.verdict is Verdict.UNSIGNED


def test_only_a_real_signature_is_worth_a_look():
    packet = made.PACKET.replace(HERE, "").encode()
    received = BlobInfo(hashlib.sha256(packet).hexdigest(), len(packet))
    dummy = Envelope(replace(HEADER, has_signature_block=True), (), ())
    real = Envelope(replace(HEADER, has_signature_block=True, has_xml_signature=True), (), ())
    assert signed_packet(dummy, received) is None
    assert signed_packet(real, received) is received
