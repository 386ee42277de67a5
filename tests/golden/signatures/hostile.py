"""Files that want to cost: bombs, loops, floods, nests. Each is small, or cheap to make.

Every one is written so that a naive reader runs out of time, memory or stack; none may be valid
where it carries a signature, unless what it adds is harmless by the rules and it ends in time.
"""

import functools
import io
import zipfile
import zlib
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.golden.signatures import authority, pages
from tests.golden.signatures.attacks import with_value
from tests.golden.signatures.authority import NOW, certificate
from tests.golden.signatures.cases import build
from tests.golden.signatures.pages import HEAD, classic, stream, update
from tests.golden.signatures.signing import How, sign

_BOMB = 256 << 20


def _catalogue(pdf: bytes, extra: bytes) -> bytes:
    """Return the latest catalogue with an entry more."""
    start = pdf.rindex(b"\n1 0 obj") + len(b"\n1 0 obj")
    return pdf[start : pdf.index(b"endobj", start)].strip()[:-2] + extra + b">>"


@functools.cache
def _zeros(size: int, layers: int = 1) -> bytes:
    """Return so many zero bytes, deflated; more layers deflate the result again."""
    packer = zlib.compressobj(9)
    block = bytes(1 << 20)
    pieces = [packer.compress(block) for _ in range(size >> 20)]
    packed = b"".join([*pieces, packer.flush()])
    for _ in range(layers - 1):
        packed = zlib.compress(packed, 9)
    return packed


# ---------------------------------------------------------------- bombs


def bomb_in_page() -> bytes:
    """A page whose contents unpack to 256 MiB, twice packed; unsigned."""
    bodies = pages.objects()
    bodies[4] = stream(_zeros(_BOMB, 2), b"/Filter[/FlateDecode/FlateDecode]")
    return classic(bodies)


def bomb_after_signing() -> bytes:
    """The same put in after signing."""
    bomb = stream(_zeros(_BOMB, 2), b"/Filter[/FlateDecode/FlateDecode]")
    return update(build("b-t"), {4: bomb})


def bomb_in_evidence() -> bytes:
    """A revocation list of 256 MiB in the file's evidence."""
    signed = build("b-t")
    bomb = stream(_zeros(_BOMB, 2), b"/Filter[/FlateDecode/FlateDecode]")
    return update(
        signed,
        {1: _catalogue(signed, b"/DSS 40 0 R"), 40: b"<</Type/DSS/CRLs[41 0 R]>>", 41: bomb},
    )


def bomb_in_table() -> bytes:
    """A cross-reference stream that unpacks to 256 MiB of rows."""
    body = HEAD + b"1 0 obj\n<</Type/Catalog/Pages 2 0 R/Sig 1>>\nendobj\n"
    packed = _zeros(_BOMB, 1)
    entries = b"/Type/XRef/Size 99999999/W[1 4 1]/Root 1 0 R/Filter/FlateDecode"
    return body + b"3 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (
        stream(packed, entries),
        len(body),
    )


def bomb_in_object_stream() -> bytes:
    """An object stream that unpacks to 256 MiB and claims ten million objects."""
    body = HEAD + b"4 0 obj\n%b\nendobj\n" % stream(
        _zeros(_BOMB, 1), b"/Type/ObjStm/N 9999999/First 99/Filter/FlateDecode"
    )
    rows = b"\x02" + (4).to_bytes(4, "big") + b"\x00"
    entries = b"/Type/XRef/Size 6/W[1 4 1]/Index[1 1 2 1 4 1]/Root 1 0 R/Sig 1"
    own = b"\x01" + len(HEAD).to_bytes(4, "big") + b"\x00"
    table = stream(rows + rows + own, entries)
    return body + b"5 0 obj\n%b\nendobj\nstartxref\n%d\n%%%%EOF\n" % (table, len(body))


def bomb_in_zip() -> bytes:
    """A zip of zips of 256 MiB of zeros."""
    data = bytes(16 << 20)
    for level in range(4):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as packed:
            for number in range(8 if level else 16):
                packed.writestr(zipfile.ZipInfo(f"{number}.zip"), data, zipfile.ZIP_DEFLATED)
        data = out.getvalue()
    return data


# ---------------------------------------------------------------- loops


def loop_of_pages() -> bytes:
    """A page tree whose node is its own child."""
    return update(build("b-t"), {2: b"<</Type/Pages/Kids[2 0 R 3 0 R]/Count 2>>"})


def loop_of_tables() -> bytes:
    """Two tables that each name the other as the one before."""
    signed = build("b-t")
    first = len(signed)
    second = first + 200
    one = b"xref\n0 0\ntrailer\n<</Size 12/Root 1 0 R/Prev %d>>\n" % second
    two = b"xref\n0 0\ntrailer\n<</Size 12/Root 1 0 R/Prev %d>>\n" % first
    return signed + one.ljust(200) + two + b"startxref\n%d\n%%%%EOF\n" % second


def loop_of_one_table() -> bytes:
    """A table that names itself as the one before."""
    signed = build("b-t")
    table = b"xref\n0 0\ntrailer\n<</Size 12/Root 1 0 R/Prev %d>>\n" % len(signed)
    return signed + table + b"startxref\n%d\n%%%%EOF\n" % len(signed)


def loop_of_fields() -> bytes:
    """A form whose field is its own child."""
    signed = build("b-t")
    form = b"<</Fields[30 0 R]/SigFlags 3>>"
    field = b"<</FT/Sig/T(A)/Kids[30 0 R 31 0 R]/Parent 31 0 R>>"
    other = b"<</T(B)/Kids[30 0 R]/Parent 30 0 R>>"
    root = _catalogue(signed, b"/AcroForm 32 0 R").replace(b"/AcroForm 7 0 R", b"")
    return update(signed, {1: root, 30: field, 31: other, 32: form})


def loop_of_object_streams() -> bytes:
    """Object streams that extend one another, and one that should hold itself."""
    body = HEAD
    offsets = []
    for number, other in ((4, 5), (5, 4)):
        offsets.append(len(body))
        entries = b"/Type/ObjStm/N 1/First 4/Extends %d 0 R" % other
        body += b"%d 0 obj\n%b\nendobj\n" % (number, stream(b"1 0 <<>>", entries))
    rows = (
        b"\x02" + (4).to_bytes(4, "big") + b"\x00"
        + b"\x02" + (2).to_bytes(4, "big") + b"\x00"
        + b"".join(b"\x01" + at.to_bytes(4, "big") + b"\x00" for at in offsets)
    )  # fmt: skip
    entries = b"/Type/XRef/Size 7/W[1 4 1]/Index[1 2 4 2]/Root 1 0 R/Sig 1"
    table = b"6 0 obj\n%b\nendobj\n" % stream(rows, entries)
    return body + table + b"startxref\n%d\n%%%%EOF\n" % len(body)


def loop_of_length() -> bytes:
    """A stream whose length is the stream itself."""
    signed = build("b-t")
    return update(signed, {4: b"<</Length 4 0 R>>\nstream\nx\nendstream"})


# ---------------------------------------------------------------- floods


def flood_of_fields() -> bytes:
    """Five thousand signature fields, all with the same value."""
    signed = build("b-t")
    value = signed[signed.index(b"/V ") + 3 :].split(b"\n")[0]
    fields = {
        100 + n: b"<</FT/Sig/T(F%d)/V %b/Type/Annot/Subtype/Widget/Rect[0 0 0 0]>>" % (n, value)
        for n in range(5000)
    }
    listed = b" ".join(b"%d 0 R" % n for n in fields)
    form = b"<</Fields[%b]/SigFlags 3>>" % listed
    root = _catalogue(signed, b"/AcroForm 99 0 R").replace(b"/AcroForm 7 0 R", b"")
    return update(signed, {1: root, 99: form, **fields})


def flood_of_values() -> bytes:
    """A thousand signature dictionaries, each claiming the true range."""
    signed = build("b-t")
    start = signed.index(b"<<\n/Contents")
    value = signed[start : signed.index(b"endobj", start)]
    short = value[: value.index(b"/Contents")] + b"/Contents <30>" + value[value.index(b">") + 1 :]
    values = {2000 + n: short for n in range(1000)}
    fields = {100 + n: b"<</FT/Sig/T(F%d)/V %d 0 R>>" % (n, 2000 + n) for n in range(1000)}
    form = b"<</Fields[%b]/SigFlags 3>>" % b" ".join(b"%d 0 R" % n for n in fields)
    root = _catalogue(signed, b"/AcroForm 99 0 R").replace(b"/AcroForm 7 0 R", b"")
    return update(signed, {1: root, 99: form, **fields, **values})


def flood_of_revisions() -> bytes:
    """Six hundred updates after the signature, each of one more unused object."""
    pdf = build("b-t")
    for number in range(600):
        pdf = update(pdf, {40 + number: b"null"})
    return pdf


def flood_of_ranges() -> bytes:
    """Ten thousand ByteRanges in a remark."""
    signed = build("b-t")
    ranges = b"".join(b"/ByteRange [0 %d %d 9]" % (n, n + 4000) for n in range(10_000))
    return update(signed, {50: b"(" + ranges + b")"})


def flood_of_rows() -> bytes:
    """A table that claims a hundred million rows."""
    signed = build("b-t")
    table = b"xref\n0 99999999\ntrailer\n<</Size 99999999/Root 1 0 R/Prev 1>>\n"
    return signed + table + b"startxref\n%d\n%%%%EOF\n" % len(signed)


def flood_of_references() -> bytes:
    """An array of a hundred thousand references."""
    signed = build("b-t")
    return update(signed, {50: b"[" + b"4 0 R " * 100_000 + b"]"})


def flood_of_remarks() -> bytes:
    """A third of a megabyte of remarks after the end."""
    return build("b-t") + b"%x\n" * 100_000


@functools.cache
def _doubles(count: int) -> tuple[bytes, ...]:
    """Return certificates of authorities that all have one name and could all issue each other."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA giong nhau")])
    made = []
    for serial in range(count):
        key = ec.derive_private_key(1000 + serial, ec.SECP256R1())
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1000 + serial)
            .not_valid_before(authority.MEMBERS["issuing"].begin)
            .not_valid_after(authority.MEMBERS["issuing"].end)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        )
        issuer = ec.derive_private_key(1000 + (serial + 1) % count, ec.SECP256R1())
        cert = builder.sign(issuer, hashes.SHA256())
        made.append(cert.public_bytes(serialization.Encoding.DER))
    return tuple(made)


@functools.cache
def _leaf_of_doubles() -> bytes:
    """Return the person's key certified by one of them."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA giong nhau")])
    person = certificate("person")
    cert = (
        x509.CertificateBuilder()
        .subject_name(person.subject)
        .issuer_name(name)
        .public_key(person.public_key())
        .serial_number(16)
        .not_valid_before(person.not_valid_before_utc)
        .not_valid_after(person.not_valid_after_utc)
        .sign(ec.derive_private_key(1000, ec.SECP256R1()), hashes.SHA256())
    )
    return cert.public_bytes(serialization.Encoding.DER)


def _among_doubles(count: int) -> bytes:
    """Put so many of them into the value of a signature whose holder one of them certified."""
    how = How("B-B", chain=False, shown=_leaf_of_doubles(), carried=_doubles(count))
    return sign(pages.plain(), how=how)


def doubles_within_the_cap() -> bytes:
    """Forty-five look-alike authorities beside the signer's certificate."""
    return _among_doubles(45)


def doubles_over_the_cap() -> bytes:
    """A hundred of them."""
    return _among_doubles(100)


def doubles_in_evidence() -> bytes:
    """A hundred of them in the file's evidence, a dozen in the value."""
    signed = _among_doubles(12)
    streams = {100 + n: stream(der) for n, der in enumerate(_doubles(100))}
    store = b"<</Type/DSS/Certs[%b]>>" % b" ".join(b"%d 0 R" % n for n in streams)
    return update(signed, {1: _catalogue(signed, b"/DSS 40 0 R"), 40: store, **streams})


def long_list() -> bytes:
    """A genuine revocation list of ten thousand entries in the file's evidence."""
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(certificate("issuing").subject)
        .last_update(NOW - authority.DAY)
        .next_update(NOW + authority.DAY)
    )
    entry = x509.RevokedCertificateBuilder().revocation_date(authority.REVOKED)
    for serial in range(10_000):
        builder = builder.add_revoked_certificate(entry.serial_number(10_000 + serial).build())
    crl = builder.sign(authority.private_key("issuing"), hashes.SHA256())
    signed = build("b-t")
    packed = stream(crl.public_bytes(serialization.Encoding.DER))
    return update(
        signed,
        {1: _catalogue(signed, b"/DSS 40 0 R"), 40: b"<</Type/DSS/CRLs[41 0 R]>>", 41: packed},
    )


# ---------------------------------------------------------------- nests and giants


def nest_of_arrays() -> bytes:
    """A hundred thousand arrays in one another."""
    return update(build("b-t"), {50: b"[" * 100_000 + b"]" * 100_000})


def nest_of_dictionaries() -> bytes:
    """Fifty thousand dictionaries in one another, as the catalogue's entry."""
    signed = build("b-t")
    nest = b"<</A" * 50_000 + b" 1" + b">>" * 50_000
    return update(signed, {1: _catalogue(signed, b"/X " + nest)})


def nest_of_strings() -> bytes:
    """A string of a million open brackets."""
    return update(build("b-t"), {50: b"(" * 1_000_000})


def nest_in_value() -> bytes:
    """A signature value of five thousand sequences in one another."""
    element = b"\x05\x00"
    for _ in range(5000):
        size = len(element)
        octets = size.to_bytes(2, "big")
        head = bytes([0x30, size]) if size < 0x80 else b"\x30\x82" + octets
        element = head + element
    return with_value(sign(pages.plain(), how=How("B-B", spare=20_000)), element)


def nest_of_pages() -> bytes:
    """A page tree four thousand nodes deep."""
    nodes = {
        100 + n: b"<</Type/Pages/Kids[%d 0 R]/Count 1/Parent %d 0 R>>" % (101 + n, max(99 + n, 2))
        for n in range(4_000)
    }
    nodes[4_100] = b"<</Type/Page/Parent 4099 0 R/MediaBox[0 0 9 9]>>"
    return update(build("b-t"), {2: b"<</Type/Pages/Kids[100 0 R]/Count 1>>", **nodes})


def giant_number() -> bytes:
    """A number of two hundred thousand digits."""
    return update(build("b-t"), {50: b"9" * 200_000})


def giant_name() -> bytes:
    """A name of 150,000 escaped letters."""
    return update(build("b-t"), {50: b"/" + b"#41" * 150_000})


def giant_value() -> bytes:
    """A signature value with three megabytes of room."""
    return sign(pages.plain(), how=How("B-B", spare=3_000_000))


HOSTILE: dict[str, Callable[[], bytes]] = {
    made.__name__.replace("_", "-"): made
    for made in (
        bomb_in_page,
        bomb_after_signing,
        bomb_in_evidence,
        bomb_in_table,
        bomb_in_object_stream,
        bomb_in_zip,
        loop_of_pages,
        loop_of_tables,
        loop_of_one_table,
        loop_of_fields,
        loop_of_object_streams,
        loop_of_length,
        flood_of_fields,
        flood_of_values,
        flood_of_revisions,
        flood_of_ranges,
        flood_of_rows,
        flood_of_references,
        flood_of_remarks,
        doubles_within_the_cap,
        doubles_over_the_cap,
        doubles_in_evidence,
        long_list,
        nest_of_arrays,
        nest_of_dictionaries,
        nest_of_strings,
        nest_in_value,
        nest_of_pages,
        giant_number,
        giant_name,
        giant_value,
    )
}
