"""What mutations start from: the golden files, and sample files beside the project where present.

Seeds that are not ours are read where they lie and never copied. The good ones of the golden set
are also what may be called valid.
"""

import functools
import hashlib
import io
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gateway.trust.anchors import TrustStore
from gateway.trust.verify import verify_file
from tests.fuzz.truth import Truth
from tests.golden.signatures import authority
from tests.golden.signatures.authority import NOW
from tests.golden.signatures.cases import CASES, GOOD, build

_CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
_SAMPLES = (
    ("own/pdf/*.pdf", 200_000),
    ("pdf/pyhanko/*.pdf", 60_000),
    ("pdf/rub-shadow/*.pdf", 100_000),
    ("dos/*/*.pdf", 30_000),
    ("pdf/itext/*.pdf", 40_000),
)


@dataclass(frozen=True)
class Seed:
    """One file to start from."""

    name: str
    data: bytes


@functools.cache
def store() -> TrustStore:
    """Return what the golden operator trusts."""
    with tempfile.TemporaryDirectory(prefix="fuzz-trust-") as folder:
        return TrustStore.load(authority.lay_out_trust(Path(folder)))


@functools.cache
def golden() -> tuple[Seed, ...]:
    """Return the golden files."""
    return tuple(Seed(name, build(name)) for name in CASES if build(name))


@functools.cache
def samples() -> tuple[Seed, ...]:
    """Return sample files beside the project, small ones; none where the folder is missing."""
    return _read(_SAMPLES)


def _read(patterns: tuple[tuple[str, int], ...]) -> tuple[Seed, ...]:
    return tuple(
        Seed(str(path.relative_to(_CORPUS)), path.read_bytes())
        for pattern, limit in patterns
        for path in sorted(_CORPUS.glob(pattern))
        if 0 < path.stat().st_size <= limit
    )


@functools.cache
def xml() -> tuple[Seed, ...]:
    """Return XML with signatures: samples beside the project."""
    return _read(
        (("own/xml/*.xml", 60_000), ("xml/signxml/*.xml", 60_000), ("xml/dss-xades/*.xml", 60_000))
    )


@functools.cache
def zips() -> tuple[Seed, ...]:
    """Return containers made of golden files."""
    made = []
    for number, names in enumerate((("b-t",), ("b-t", "unsigned"), ("b-lt", "content-changed"))):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as packed:
            for name in names:
                info = zipfile.ZipInfo(f"{name}.pdf", (2026, 11, 22, 0, 0, 0))
                packed.writestr(info, build(name), zipfile.ZIP_DEFLATED)
        made.append(Seed(f"zip-{number}", out.getvalue()))
    return tuple(made)


@functools.cache
def truth() -> Truth:
    """Return what may be called valid; the table of the golden set says which files are good."""
    known = Truth()
    for name in GOOD:
        data = build(name)
        report = verify_file(data, sha256=hashlib.sha256(data).hexdigest(), at=NOW, store=store())
        known.learn(data, report)
    return known
