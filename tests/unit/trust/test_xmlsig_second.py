"""A second judge of XML signatures: xmlsec1 on what our own signer made, good and broken.

Core validation only: what xmlsec1 says of place and trust is not asked. Where the two disagree the
stricter is ours, and the reason is written here.
"""

import re
import shutil
import subprocess
from datetime import timedelta

import pytest

from gateway.trust.anchors import TrustStore
from gateway.trust.report import Answer
from gateway.trust.xmlsig.engine import verify_xml
from tests.unit.trust.test_xmlsig import GOOD
from tests.world import signed_xml as made
from tests.world.signed_files import NOW, pki
from tests.world.signed_xml import HERE, How, Ref, changed, sign

pytestmark = pytest.mark.skipif(shutil.which("xmlsec1") is None, reason="xmlsec1 is not installed")

# xmlsec1 1.2 does not know RSASSA-PSS.
UNKNOWN_TO_XMLSEC = {"pss"}


def xmlsec(data, tmp_path):
    """Return what xmlsec1 says of the digests and the value of the first signature."""
    path = tmp_path / "a.xml"
    path.write_bytes(data)
    ids = [part for name in made.labels(data) for part in ("--id-attr:Id", name)]
    command = ["xmlsec1", "--verify", "--insecure", *ids, str(path)]
    done = subprocess.run(command, capture_output=True, timeout=120, check=False)
    return done.returncode == 0


def ours(data):
    store = TrustStore.load(pki().trust_dir)
    at = NOW + timedelta(minutes=10)
    return verify_xml(data, sha256="", at=at, store=store).signatures[0].intact is Answer.YES


@pytest.mark.parametrize("name", [n for n in GOOD if n not in UNKNOWN_TO_XMLSEC])
def test_two_judges_agree_on_good_files(name, tmp_path):
    data = sign(*GOOD[name])
    assert (ours(data), xmlsec(data, tmp_path)) == (True, True)


TWINS = {
    "content": lambda: changed(sign(made.LETTER), "1.000.000", "9.000.000"),
    "attribute": lambda: changed(sign(made.LETTER), "<nd>", '<nd a="1">'),
    "blank": lambda: changed(sign(made.LETTER), "<nd>", "<nd> "),
    "digest": lambda: changed(sign(made.LETTER), "<ds:DigestValue>", "<ds:DigestValue>AAAA"),
    "properties": lambda: changed(sign(made.LETTER, made.XADES_BB), "22T12", "23T12"),
    "second reference": lambda: changed(sign(made.SOAP, made.TWO), "cid:cv", "cid:xx"),
    "value": lambda: re.sub(
        rb"<ds:SignatureValue>....", b"<ds:SignatureValue>AAAA", sign(made.LETTER)
    ),
    "canonical form": lambda: changed(sign(made.SOAP, made.TWO), made.EXCLUSIVE, made.INCLUSIVE),
    "shared secret": made.hmac_forged,
    "key of another": lambda: changed(sign(made.LETTER, How(signer="agency")), *_certificates()),
}


def _certificates():
    pattern = re.compile(r"<ds:X509Certificate>.*?</ds:X509Certificate>")
    return tuple(
        pattern.search(sign(made.LETTER, How(signer=who)).decode()).group()
        for who in ("agency", "person")
    )


@pytest.mark.parametrize("name", TWINS)
def test_two_judges_agree_on_broken_files(name, tmp_path):
    data = TWINS[name]()
    assert (ours(data), xmlsec(data, tmp_path)) == (False, False)


def test_a_moved_signature_is_where_only_the_place_tells(tmp_path):
    data = made.wrapped(3)
    assert (ours(data), xmlsec(data, tmp_path)) == (True, True)


def test_a_part_in_a_default_namespace_is_canonical_as_it_stands_alone(tmp_path):
    """libxml2 writes a wrong xmlns="" into such a part; xmlsec1 judges that ours is right."""
    document = f'<a xmlns="urn:a"><d Id="d"><e><f>1</f></e></d><k>{HERE}</k></a>'
    how = How(prefix="", c14n=made.INCLUSIVE, refs=(Ref("#d", (made.INCLUSIVE,)),))
    data = sign(document, how)
    assert (ours(data), xmlsec(data, tmp_path)) == (True, True)
