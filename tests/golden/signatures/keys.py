"""Keys that are the same every time, grown from a name; nothing secret is kept in a file.

A prime is the first one at or after a number drawn from the key's name. Where it lies is in
`_OFFSETS`, so that nothing is searched at test time; `python -m tests.golden.signatures --keys`
prints the table again. These keys are public knowledge and open nothing.
"""

import functools
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec, rsa

_EXPONENT = 65537
_SMALL = tuple(n for n in range(3, 2000, 2) if all(n % d for d in range(3, int(n**0.5) + 1, 2)))

# name: (bits, distance of p, distance of q from where the search begins, both halved)
_OFFSETS: dict[str, tuple[int, int, int]] = {
    "root": (2048, 518, 119),
    "issuing": (2048, 1445, 277),
    "tsa": (2048, 64, 160),
    "person": (2048, 345, 472),
    "agency": (2048, 23, 47),
    "weak": (1024, 210, 122),
    "stranger root": (2048, 595, 429),
    "stranger": (2048, 156, 588),
}


def _start(name: str, part: str, bits: int) -> int:
    drawn = hashlib.shake_256(f"vanlien golden {name} {part}".encode()).digest(bits // 16)
    # Both top bits set: the product has its full length.
    return int.from_bytes(drawn, "big") | (3 << (bits // 2 - 2)) | 1


def _is_prime(number: int) -> bool:
    if any(number % small == 0 for small in _SMALL):
        return False
    odd = number - 1
    twos = (odd & -odd).bit_length() - 1
    odd >>= twos
    for base in (2, 3, 5, 7, 11, 13, 17, 19):
        power = pow(base, odd, number)
        if power in {1, number - 1}:
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def search(name: str, bits: int = 2048) -> tuple[int, int, int]:
    """Return the row of `_OFFSETS` for a name; takes about a second."""
    found = []
    for part in ("p", "q"):
        start = _start(name, part, bits)
        step = 0
        while True:
            prime = start + 2 * step
            if (prime - 1) % _EXPONENT and _is_prime(prime):
                break
            step += 1
        found.append(step)
    return bits, found[0], found[1]


@functools.cache
def rsa_key(name: str) -> rsa.RSAPrivateKey:
    """Return the RSA key of this name; one that is not in the table is searched."""
    bits, first, second = _OFFSETS.get(name) or search(name)
    p = _start(name, "p", bits) + 2 * first
    q = _start(name, "q", bits) + 2 * second
    private = pow(_EXPONENT, -1, (p - 1) * (q - 1))
    return rsa.RSAPrivateNumbers(
        p=p,
        q=q,
        d=private,
        dmp1=private % (p - 1),
        dmq1=private % (q - 1),
        iqmp=pow(q, -1, p),
        public_numbers=rsa.RSAPublicNumbers(_EXPONENT, p * q),
    ).private_key()


@functools.cache
def ec_key(name: str) -> ec.EllipticCurvePrivateKey:
    """Return the P-256 key of this name."""
    drawn = hashlib.sha256(f"vanlien golden {name}".encode()).digest()
    return ec.derive_private_key(int.from_bytes(drawn, "big") >> 1, ec.SECP256R1())


def rows(names: dict[str, int]) -> str:
    """Return the table for these names and sizes as source text."""
    return "".join(f'    "{name}": {search(name, bits)!r},\n' for name, bits in names.items())


NAMES = {
    "root": 2048,
    "issuing": 2048,
    "tsa": 2048,
    "person": 2048,
    "agency": 2048,
    "weak": 1024,
    "stranger root": 2048,
    "stranger": 2048,
}
