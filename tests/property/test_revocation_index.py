"""Asking the index, the quick lists of a trust folder, or the validator with the whole lists: the
same answer, whatever was revoked, issued and imported in whatever order."""

import asyncio
import tempfile
from datetime import timedelta
from pathlib import Path

from asn1crypto.crl import CertificateList
from cryptography import x509
from hypothesis import given, settings
from hypothesis import strategies as st
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import InvalidCertificateError, PathValidationError
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer

from gateway.trust.crl import RefusedListError, read_list
from gateway.trust.lists import ListSignatures, newest, taken_list, verified_list
from gateway.verifier.crl_index import CrlIndex
from gateway.verifier.revocation import RevocationStore
from tests.world.revocation_lists import DAY, certificate, crl
from tests.world.signed_files import NOW

ROOT = certificate("Gốc", ca=True)
TWIN = certificate("Gốc", ca=True, label="khóa khác")
ISSUING = certificate("CA cấp", ROOT, ca=True)
SERIALS = (7, 2**70 + 1, 300)
PERSONS = [certificate(f"Người {i}", ISSUING, serial=s) for i, s in enumerate(SERIALS)]
ROOT_LIST = crl(ROOT, at=NOW - 300 * DAY, until=NOW + 300 * DAY)
REASONS = [
    x509.ReasonFlags.key_compromise,
    x509.ReasonFlags.certificate_hold,
    x509.ReasonFlags.remove_from_crl,
    x509.ReasonFlags.unspecified,
]

entries = st.lists(
    st.tuples(
        st.sampled_from([*SERIALS, 999]),
        st.integers(-40, 10).map(lambda d: NOW + d * DAY),
        st.sampled_from(REASONS),
    ),
    max_size=4,
    unique_by=lambda e: e[0],
)
generation = st.fixed_dictionaries(
    {
        "at": st.integers(-40, 5).map(lambda d: NOW + d * DAY),
        "days": st.integers(1, 30),
        "revoked": entries,
        "who": st.sampled_from(["issuing", "issuing", "issuing", "twin", "root"]),
    }
)


def made(case, number):
    who = {"issuing": ISSUING, "twin": TWIN, "root": ROOT}[case["who"]]
    until = case["at"] + case["days"] * DAY
    return crl(who, case["revoked"], at=case["at"], until=until, number=number)


def asked(person, containers, at, policy, *, presented):
    """Return what the validator says of one certificate: good, or the kind of its refusal."""
    signatures = {"signature_validator": ListSignatures()} if presented else {}
    context = ValidationContext(
        trust_manager=SimpleTrustManager.build([ROOT.asn1]),
        crls=[CertificateList.load(ROOT_LIST), *(c.crl_data for c in containers)],
        other_certs=[ISSUING.asn1],
        revinfo_policy=policy,
        allow_fetching=False,
        moment=at,
        **signatures,
    )
    validator = CertificateValidator(person.asn1, validation_context=context)
    try:
        asyncio.run(validator.async_validate_path())
    except (InvalidCertificateError, PathValidationError) as exc:
        since, reason = (getattr(exc, n, None) for n in ("revocation_dt", "reason"))
        return type(exc).__name__, since, getattr(reason, "native", None)
    return ("good",)


@given(
    st.lists(generation, max_size=4),
    st.integers(-45, 40),
    st.randoms(),
    st.booleans(),
    st.sampled_from(PERSONS),
)
@settings(max_examples=40, deadline=None)
def test_the_index_answers_as_the_whole_lists_do(cases, day, order, retroactive, person):
    at = NOW + day * DAY
    policy = CertRevTrustPolicy(REQUIRE_REVINFO, retroactive_revinfo=retroactive)
    ders = [made(case, i + 1) for i, case in enumerate(cases)]
    issuers = [ROOT.asn1, ISSUING.asn1]
    with tempfile.TemporaryDirectory() as room:
        store = RevocationStore(Path(room), now=lambda: NOW)
        accepted = []
        for der in order.sample(ders, len(ders)):
            try:
                store.take(der, issuers)
                accepted.append(der)
            except RefusedListError:
                assert read_list(der).issuer.native["common_name"] == "Gốc"  # the twin's key
        index = CrlIndex(Path(room))
        stored = index.lists(at)
        folder = newest([verified_list(der, issuers) for der in accepted], at)
        assert [k.head for k in sorted(stored, key=lambda k: k.head.sha256)] == [
            k.head for k in sorted(folder, key=lambda k: k.head.sha256)
        ]
        whole = [
            CRLContainer(CertificateList.load(der))
            for der in ders
            if read_list(der).head.sha256 in {k.head.sha256 for k in stored}
        ]
        truth = asked(person, whole, at, policy, presented=False)
        for lists in (stored, folder):
            quick = [k.container for k in lists]
            assert asked(person, quick, at, policy, presented=True) == truth
        index.close()
        store.close()


@given(st.lists(generation, min_size=1, max_size=6), st.randoms())
@settings(max_examples=40, deadline=None)
def test_every_generation_stays_answerable_in_whatever_order_it_came(cases, order):
    issuers = [ROOT.asn1, ISSUING.asn1]
    ders = {d for i, c in enumerate(cases) if c["who"] != "twin" for d in [made(c, i + 1)]}
    taken = [taken_list(der, issuers) for der in sorted(ders)]
    with tempfile.TemporaryDirectory() as room:
        store = RevocationStore(Path(room), now=lambda: NOW)
        for one in order.sample(sorted(ders), len(ders)):
            assert store.take(one, issuers).new
        index = CrlIndex(Path(room))
        before = index.sha256
        told = {}
        for serial in (*SERIALS, 999):
            for authority in (ROOT.asn1, ISSUING.asn1):
                rows = index.statuses(authority, serial)
                told |= {(s.sha256, serial): (s.revoked_at, s.reason) for s in rows}
        for one in taken:
            for serial in (*SERIALS, 999):
                entry = one.entries.get(serial)
                expected = (None, "") if entry is None else (entry.revoked_at, entry.reason)
                assert told[one.known.head.sha256, serial] == expected
        index.close()
        assert store.rebuild() == (len(ders), [])
        again = CrlIndex(Path(room))
        assert again.sha256 == before
        for authority in (ROOT.asn1, ISSUING.asn1):
            for serial in (*SERIALS, 999):
                rows = again.statuses(authority, serial)
                assert {(s.sha256, s.revoked_at, s.reason) for s in rows} == {
                    (s, *v)
                    for (s, n), v in told.items()
                    if n == serial and s in {r.sha256 for r in rows}
                }
        again.close()
        store.close()


def test_hold_and_its_end_are_read_from_the_newest_list():
    hold = crl(ISSUING, [(7, NOW - 5 * DAY, x509.ReasonFlags.certificate_hold)], at=NOW - 4 * DAY)
    freed = crl(ISSUING, [], at=NOW - timedelta(hours=2), number=2)
    policy = CertRevTrustPolicy(REQUIRE_REVINFO)
    known = [verified_list(d, [ISSUING.asn1]) for d in (hold, freed)]
    now = [k.container for k in newest(known, NOW)]
    assert asked(PERSONS[0], now, NOW, policy, presented=True) == ("good",)
    then = [k.container for k in newest(known, NOW - 3 * DAY)]
    kind, since, reason = asked(PERSONS[0], then, NOW - 3 * DAY, policy, presented=True)
    assert (kind, since, reason) == ("RevokedError", NOW - 5 * DAY, "certificate_hold")
