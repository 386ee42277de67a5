"""The policy's algorithms in the validator's form: what may be used, at which moment.

Promises: what the policy does not name is not accepted; an algorithm with an end is accepted only
at a moment before it, and its end is told, so that a proof of existence can save an old signature;
MD5 is never accepted, whatever a policy says. An anchor's self-signature is never asked about: it
is trusted as it is. Pure.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from asn1crypto import algos, keys
from pyhanko.sign.validation.utils import CMSAlgorithmUsagePolicy
from pyhanko_certvalidator.policy_decl import AlgorithmUsageConstraint

from gateway.trust.policy import Policy

_KINDS: Final = frozenset({"rsassa_pkcs1v15", "rsassa_pss", "ecdsa", "ed25519", "ed448"})
_NEVER: Final = frozenset({"md2", "md4", "md5"})
_ENDLESS: Final = AlgorithmUsageConstraint(allowed=True)


@dataclass(frozen=True, slots=True)
class DatedAlgorithms(CMSAlgorithmUsagePolicy):
    """A policy's algorithms, judged at a moment (thuật toán theo thời điểm).

    Args:
        policy: Whose lists count.
        proven: When a trusted time-stamp proves the signature existed; a later moment asked for
            is answered for this one. None: the moment asked for counts.
    """

    policy: Policy
    proven: datetime | None = None

    def digest_algorithm_allowed(
        self, algo: algos.DigestAlgorithm, moment: datetime | None
    ) -> AlgorithmUsageConstraint:
        """Judge a digest."""
        return self._digest(str(algo["algorithm"].native), moment)

    def signature_algorithm_allowed(
        self,
        algo: algos.SignedDigestAlgorithm,
        moment: datetime | None,
        public_key: keys.PublicKeyInfo | None,
    ) -> AlgorithmUsageConstraint:
        """Judge a signature mechanism, its digest, and the key where there is one."""
        name = str(algo["algorithm"].native)
        kind = _kind(algo, name)
        if kind not in _KINDS:
            return _refused(f"{name} is not in the policy")
        found = [self._key(kind, public_key, moment)]
        digest = _digest_of(algo, name)
        if digest is not None and kind not in {"ed25519", "ed448"}:
            found.append(self._digest(digest, moment))
        return next((f for f in found if not f.allowed), _ENDLESS)

    # ------------------------------------------------------------ pieces

    def _digest(self, name: str, moment: datetime | None) -> AlgorithmUsageConstraint:
        if name in _NEVER:
            return _refused(f"{name} is never accepted")
        ends = [end for known, end in self.policy.digests if known == name]
        return self._until(ends, moment, name)

    def _key(
        self, kind: str, public_key: keys.PublicKeyInfo | None, moment: datetime | None
    ) -> AlgorithmUsageConstraint:
        if public_key is None or kind in {"ed25519", "ed448"}:
            return _ENDLESS
        bits = _bits(public_key)
        if kind == "ecdsa":
            enough = bits >= self.policy.ec_bits
            return _ENDLESS if enough else _refused(f"ecdsa of {bits} bits is too short")
        ends = [end for least, end in self.policy.rsa_bits if bits >= least]
        return self._until(ends, moment, f"rsa of {bits} bits")

    def _until(
        self, ends: list[datetime | None], moment: datetime | None, what: str
    ) -> AlgorithmUsageConstraint:
        if None in ends:
            return _ENDLESS
        dated = [end for end in ends if end is not None]
        if not dated:
            return _refused(f"{what} is not in the policy")
        latest = max(dated)
        if moment is not None and self.proven is not None:
            moment = min(moment, self.proven)
        if moment is not None and moment < latest:
            return _ENDLESS
        return _refused(f"{what} was accepted until {latest.isoformat()}", latest)


def _refused(why: str, after: datetime | None = None) -> AlgorithmUsageConstraint:
    return AlgorithmUsageConstraint(allowed=False, not_allowed_after=after, failure_reason=why)


def _kind(algo: algos.SignedDigestAlgorithm, name: str) -> str:
    try:
        return str(algo.signature_algo)
    except ValueError:
        # Newer names the parser has no table for: sha3_256_rsa.
        return "rsassa_pkcs1v15" if name.startswith("sha3_") and name.endswith("_rsa") else name


def _digest_of(algo: algos.SignedDigestAlgorithm, name: str) -> str | None:
    """Return the digest a mechanism implies, None when the signature names it elsewhere."""
    try:
        return str(algo.hash_algo)
    except (ValueError, TypeError):  # unknown to the parser; PSS without parameters
        stem = name.rpartition("_")[0]
        return stem if stem.startswith("sha") else None


def _bits(public_key: keys.PublicKeyInfo) -> int:
    try:
        return int(public_key.bit_size)
    except Exception:  # noqa: BLE001 — a key that cannot be measured is too short
        return 0
