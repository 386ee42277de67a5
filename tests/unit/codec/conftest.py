import base64
from dataclasses import dataclass, field
from datetime import date, datetime

import pytest

from gateway.codec.dates import LOCAL
from gateway.codec.edxml import emit_document
from gateway.codec.limits import DEFAULT_LIMITS
from gateway.codec.names import safe_name
from gateway.codec.reader import read_packet
from gateway.codec.split import Splitter
from gateway.domain.envelope import Attachment, Header, Organization, TraceHop


@dataclass
class ListSink:
    """Keeps what the splitter cuts out."""

    files: list[bytes] = field(default_factory=list)
    open: bool = False
    pieces: int = 0

    def begin(self, index):
        assert not self.open
        assert index == len(self.files)
        self.open = True
        self.files.append(b"")

    def write(self, data):
        assert self.open
        assert data
        self.files[-1] += data
        self.pieces += 1

    def end(self):
        assert self.open
        self.open = False


@pytest.fixture
def split():
    """Split bytes, in pieces of `step`; return (skeleton, files)."""

    def run(packet, limits=DEFAULT_LIMITS, step=None):
        sink = ListSink()
        splitter = Splitter(limits, sink)
        step = step or max(len(packet), 1)
        for at in range(0, len(packet), step):
            splitter.feed(packet[at : at + step])
        return splitter.close(), sink.files

    return run


@pytest.fixture
def read(tmp_path):
    """Read bytes as a whole packet."""
    count = iter(range(10_000))

    def run(packet, limits=DEFAULT_LIMITS):
        spool = tmp_path / f"spool{next(count)}"
        spool.mkdir()
        return read_packet([packet], spool, limits)

    return run


@pytest.fixture
def header():
    return Header(
        sender=Organization("H37.02", organ_name="Sở Một"),
        recipients=(Organization("H37.05", organ_name="Phường Hai"),),
        document_id="H37.02,2026/03/02,15/SM-VP",
        code_number="15",
        code_notation="SM-VP",
        place="Lạng Sơn",
        promulgation_date=date(2026, 3, 2),
        subject="V/v thử nghiệm",
        trace=(TraceHop("H37.02", datetime(2026, 3, 2, 8, 30, 0, tzinfo=LOCAL)),),
    )


def attachment(index, name, data, **more):
    import hashlib

    return Attachment(
        index=index,
        name=name,
        safe_name=safe_name(name, f"tep-{index + 1}"),
        content_id=more.get("content_id", f"id-{index}"),
        content_type=more.get("content_type", ""),
        description=more.get("description", ""),
        sha256=hashlib.sha256(data).hexdigest(),
        size_bytes=len(data),
    )


@pytest.fixture
def emit():
    """Emit a header with `{name: bytes}`; return (packet, attachments)."""

    def run(header, files):
        attachments = tuple(attachment(i, n, d) for i, (n, d) in enumerate(files.items()))
        data = list(files.values())
        return b"".join(emit_document(header, attachments, lambda a: [data[a.index]])), attachments

    return run


@pytest.fixture
def packet(header, emit):
    """A strict packet with one PDF."""
    return emit(header, {"van-ban.pdf": b"%PDF-1.7\nxin chao\n%%EOF\n"})[0]


NS = "http://www.mic.gov.vn/TBT/QCVN_102_2016"


def content(data):
    return base64.b64encode(data).decode()
