"""Certificates parsed once for a whole process, and taken out of a signature once.

The same few authorities, time-stampers and agencies sign everything; their certificates come with
every file, and the parser keeps what it worked out with the object. `interned` gives one object for
equal DER. The library takes the certificates out of a signature six times on its way to a verdict,
comparing names each time; what it found is kept with the signature's own object, which is not
changed after parsing. Promises: the same certificates and faults; bounded memory; nobody may change
an interned object; can be taken back.
"""

from collections import OrderedDict
from typing import Any, Final

from asn1crypto import x509
from pyhanko.sign.general import SignedDataCerts
from pyhanko.sign.validation import generic_cms

_MOST: Final = 1024
_LARGEST: Final = 16384
_NOTE: Final = "_vanlien_taken_out"
_library: Any = generic_cms
_take_out: Final = _library.extract_certificate_info
_for_validation: Final = _library.extract_certs_for_validation
_known: Final[OrderedDict[bytes, x509.Certificate]] = OrderedDict()


def interned(cert: x509.Certificate) -> x509.Certificate:
    """Return the one object that stands for a certificate's DER.

    Args:
        cert: Parsed; not changed from here on.
    """
    der = cert.dump()
    known = _known.get(der)
    if known is None:
        if len(der) > _LARGEST:
            return cert
        _known[der] = known = cert
        if len(_known) > _MOST:
            _known.popitem(last=False)
    else:
        _known.move_to_end(der)
    return known


def known(der: bytes) -> x509.Certificate | None:
    """Return the object that stands for a certificate's DER, None when it was not seen lately."""
    return _known.get(der)


def taken_out(signed_data: Any) -> SignedDataCerts:
    """Return the certificates a signature carries, the signer's apart.

    Args:
        signed_data: The signature's or the time-stamp token's `SignedData`.

    Raises:
        Exception: Whatever the library's `extract_certificate_info` raises.
    """
    return _noted(signed_data, "plain", _take_out)


def _quick_for_validation(signed_data: Any) -> SignedDataCerts:
    return _noted(signed_data, "checked", _for_validation)


def _noted(signed_data: Any, kind: str, take_out: Any) -> SignedDataCerts:
    """Return what was taken out of a signature before; a fault is raised anew each time."""
    notes = signed_data.__dict__.setdefault(_NOTE, {})
    if kind not in notes:
        found = take_out(signed_data)
        notes[kind] = SignedDataCerts(
            signer_cert=interned(found.signer_cert),
            other_certs=[interned(cert) for cert in found.other_certs],
            attribute_certs=found.attribute_certs,
        )
    made: SignedDataCerts = notes[kind]
    return made


def remember_certificates(*, on: bool = True) -> None:
    """Have certificates kept in this process, or no longer."""
    _library.extract_certificate_info = taken_out if on else _take_out
    _library.extract_certs_for_validation = _quick_for_validation if on else _for_validation
    if not on:
        _known.clear()
