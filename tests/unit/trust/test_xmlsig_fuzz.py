"""Whatever is done to a signed document: never an exception, bounded time, and a valid verdict only
where everything a reader would read is still what was signed.

The judge of "still what was signed" is the canonical form of what stands at the reader's place,
made here without the code under test.
"""

import functools
import os
import time
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from gateway.trust.anchors import TrustStore
from gateway.trust.report import Verdict
from gateway.trust.verify import verify_file
from tests.world import signed_xml as made
from tests.world.signed_files import NOW, pki
from tests.world.signed_xml import DS, How, sign

AT = NOW + timedelta(minutes=10)
_SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
_EDXML = "{http://www.mic.gov.vn/TBT/QCVN_102_2016}"
QUICK = settings(
    max_examples=int(os.environ.get("VANLIEN_FUZZ_EXAMPLES", "150")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


@functools.cache
def store():
    return TrustStore.load(pki().trust_dir)


@functools.cache
def originals():
    return {
        "letter": sign(made.LETTER),
        "packet": sign(made.PACKET, How(signer="agency")),
        "soap": sign(made.SOAP, made.TWO),
        "invoice": sign(made.INVOICE, made.PART),
        "xades": sign(made.LETTER, made.XADES_BT),
    }


def read(name, root):
    """Return the canonical bytes of what a reader of this kind of document reads."""
    if name == "soap":
        places = [
            root.find(f"{_SOAP}Header/{_EDXML}MessageHeader"),
            root.find(f"{_SOAP}Body"),
        ]
    elif name == "invoice":
        places = [root.find("DLHDon")]
    else:
        for signature in list(root.iter(f"{{{DS}}}Signature")):
            made._cut(signature)
        places = [root]
    return [b"" if p is None else _plain(p) for p in places]


def _plain(node):
    return etree.tostring(
        etree.fromstring(etree.tostring(node, with_tail=False)),
        method="c14n",
        exclusive=True,
        with_comments=False,
    )


def check(name, data):
    began = time.process_time()
    report = verify_file(data, sha256="", at=AT, store=store())
    assert time.process_time() - began < 10
    if report.verdict is Verdict.VALID:
        was = read(name, etree.fromstring(originals()[name]))
        assert read(name, etree.fromstring(data)) == was


PIECES = [
    b"<!--x-->",
    b"<?x y?>",
    b"<![CDATA[]]>",
    b"&#13;",
    b"&amp;",
    b" ",
    b"<nd/>",
    b'<S:Body xmlns:S="http://schemas.xmlsoap.org/soap/envelope/"/>',
    b'<DLHDon Id="dulieu"><Tien>9</Tien></DLHDon>',
    b' Id="dulieu"',
    b' xml:id="body"',
    b' xmlns=""',
    b"<ds:Object/>",
    b"]]>",
    b"\x00",
    b"\xff",
]
NAMES = st.sampled_from(["letter", "packet", "soap", "invoice", "xades"])


@QUICK
@given(NAMES, st.data())
def test_bytes_changed_inserted_removed_or_moved(name, data):
    text = bytearray(originals()[name])
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text) - 1))
        end = min(len(text), at + data.draw(st.integers(0, 60)))
        what = data.draw(st.sampled_from(["flip", "insert", "cut", "copy"]))
        if what == "flip":
            text[at] ^= data.draw(st.integers(1, 255))
        elif what == "insert":
            text[at:at] = data.draw(st.sampled_from(PIECES))
        elif what == "cut":
            del text[at:end]
        else:
            to = data.draw(st.integers(0, len(text)))
            text[to:to] = text[at:end]
    check(name, bytes(text))


def _nodes(root):
    return list(root.iter(etree.Element))


@QUICK
@given(NAMES, st.data())
def test_elements_moved_copied_renamed_and_relabelled(name, data):
    root = etree.fromstring(originals()[name])
    for _ in range(data.draw(st.integers(1, 3))):
        nodes = _nodes(root)
        node = data.draw(st.sampled_from(nodes))
        target = data.draw(st.sampled_from(nodes))
        what = data.draw(st.sampled_from(["move", "copy", "drop", "rename", "text", "id", "wrap"]))
        if what in {"move", "copy"} and node is not root and target not in _nodes(node):
            piece = node if what == "move" else etree.fromstring(etree.tostring(node))
            target.insert(data.draw(st.integers(0, len(target))), piece)
        elif what == "drop" and node.getparent() is not None:
            node.getparent().remove(node)
        elif what == "rename":
            node.tag = target.tag
        elif what == "text":
            node.text = data.draw(st.sampled_from(["", "9", " ", "Về kinh phí 9 đồng"]))
        elif what == "id":
            node.set("Id", data.draw(st.sampled_from(["body", "hdr", "dulieu", "ck1", "x"])))
        elif what == "wrap" and node.getparent() is not None:
            parent = node.getparent()
            holder = etree.Element("W")
            parent.replace(node, holder)
            holder.append(node)
    check(name, etree.tostring(root))


@QUICK
@given(st.binary(max_size=300), st.sampled_from([b"", b"<a>", b"<?xml version='1.0'?><a>"]))
def test_any_bytes_at_all(junk, head):
    report = verify_file(head + junk, sha256="", at=AT, store=store())
    assert report.verdict is not Verdict.VALID
