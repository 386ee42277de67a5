"""The sample folders beside the project: what is expected of each file, and what we say of it.

Run as `python -m tests.world.corpus docs/corpus.md` it writes the confusion tables; the suite in
`tests/integration/test_verifier_corpus.py` asks the same questions. Files are examined in two
limited processes; one that hangs or dies is told by name.
"""

import functools
import hashlib
import json
import multiprocessing
import re
import resource
import signal
import sys
import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
AT = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
SECONDS_A_FILE = 30
MEMORY_BYTES = 3 << 30
SETS = ("dss", "itext", "siva", "pyhanko", "rub-shadow", "pdfjs", "openpdf", "misc")
VERDICTS = ("valid", "invalid", "indeterminate", "unreadable", "unsigned")
NOT_PASSED = frozenset({"invalid", "indeterminate", "unreadable"})

# Upstream or the name of the file says "attack" or "tampered", and valid is right nevertheless.
ARGUED: dict[str, str] = {
    "DSS-1683.pdf": "DSS misses the signing-certificate attribute; plain PKCS#7 has none (as VGCA)",
}


@dataclass(frozen=True)
class Expected:
    """What a file may be called, and the word of its row in the table."""

    row: str
    verdicts: frozenset[str]


@dataclass(frozen=True)
class Got:
    """What we said of one file; `trouble` when it hung or broke out."""

    file: str
    verdict: str
    signatures: tuple[dict[str, object], ...] = ()
    notes: frozenset[str] = frozenset()
    trouble: str = ""


@functools.cache
def manifest() -> dict[str, dict]:
    """Return the manifest's entries by file."""
    return {row["file"]: row for row in json.loads((CORPUS / "MANIFEST.json").read_text("utf-8"))}


# ---------------------------------------------------------------- what is expected

# The words of the manifest's own set, as the project reads them; the first that fits counts.
_WORDS = (
    (r"^no signature", "no signature", {"unsigned"}),
    (r"\bor TOTAL-PASSED", "valid or indeterminate", {"valid", "indeterminate"}),
    (r"^TOTAL-PASSED", "valid", {"valid"}),
    (r"^TOTAL-FAILED$", "invalid", {"invalid"}),
    (r"^TOTAL-FAILED or", "not passed", set(NOT_PASSED)),
    (r"^INDETERMINATE$", "indeterminate", {"indeterminate"}),
    (r"^not passed", "not passed", set(NOT_PASSED)),
    (r"^reject", "not passed", set(NOT_PASSED)),
    (r"^warning", "warning", {"valid", "indeterminate"}),
)


def expected_own(file: str) -> Expected:
    """Return what the manifest says of a file of our own set."""
    words = manifest()[file]["expected"]["overall"]
    for pattern, row, verdicts in _WORDS:
        if re.search(pattern, words):
            return Expected(row, frozenset(verdicts))
    raise AssertionError(f"no reading for {words!r}")


def expected_public(file: str) -> Expected:
    """Return what upstream's tests, else the class of the file, leave open for it."""
    row = manifest()[file]
    upstream = row.get("upstream") or []
    said = {s for u in upstream for s in (u.get("status") or ())}
    said |= {i for u in upstream for _, i in (u.get("indication") or ())}
    asserts = " ".join(a for u in upstream for a in (u.get("asserts") or ()))
    if said & {"INVALID", "TOTAL-FAILED", "TOTAL_FAILED"}:
        # A test that changes settings calls the same file valid and invalid.
        doubtful = said & {"VALID", "TOTAL-PASSED", "TOTAL_PASSED"}
        return _anything("upstream mixed") if doubtful else _never_valid("upstream invalid")
    if "INDETERMINATE" in said and not said & {"VALID", "TOTAL-PASSED"}:
        return _anything("upstream indeterminate")
    if said:
        return _anything("upstream valid")
    if re.search(r"assertFalse\(\w+\.(isSignatureIntact|isSignatureValid)|FORMAT_FAILURE", asserts):
        return _never_valid("upstream broken")
    if row["klass"] in {"attack", "tampered"}:
        return _never_valid(row["klass"])
    return _anything("no word")


def _never_valid(row: str) -> Expected:
    return Expected(row, NOT_PASSED)


def _anything(row: str) -> Expected:
    return Expected(row, frozenset(VERDICTS))


# ---------------------------------------------------------------- trust


def own_trust(folder: Path) -> Path:
    """Copy the root, the issuing authority and the 2036 lists; not the look-alike root."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in (CORPUS / "own" / "trust").iterdir():
        if path.stem in {"root", "interm"} or "2036" in path.name:
            (folder / path.name).write_bytes(path.read_bytes())
    return folder


def carried(data: bytes) -> tuple[set[bytes], list[datetime]]:
    """Return the DER of every certificate a PDF's signatures carry, and the times they name."""
    from asn1crypto import cms

    from gateway.trust.guards import raw_signatures

    found: set[bytes] = set()
    times: list[datetime] = []
    for gap in raw_signatures(data):
        try:
            content = bytes.fromhex(data[gap.gap_start + 1 : gap.gap_end - 1].decode("ascii"))
            _take(cms.ContentInfo.load(content)["content"], found, times)
        except Exception:  # noqa: BLE001 — hostile files are among them
            continue
    if b"/DSS" in data:
        found |= _security_store(data)
    return found, times


def _take(signed, found: set[bytes], times: list[datetime]) -> None:
    found |= {c.chosen.dump() for c in signed["certificates"] or ()}
    if signed["encap_content_info"]["content_type"].native == "tst_info":
        times.append(signed["encap_content_info"]["content"].parsed["gen_time"].native)
    for info in signed["signer_infos"]:
        claims = [a for a in info["signed_attrs"] or () if a["type"].native == "signing_time"]
        times.extend(claim["values"][0].native for claim in claims)
        for attribute in info["unsigned_attrs"] or ():
            if attribute["type"].native == "signature_time_stamp_token":
                for token in attribute["values"]:
                    _take(token["content"], found, times)


def _security_store(data: bytes) -> set[bytes]:
    import io

    from pyhanko.pdf_utils.reader import PdfFileReader

    try:
        reader = PdfFileReader(io.BytesIO(data), strict=False)
        return {item.get_object().data for item in reader.root["/DSS"]["/Certs"]}
    except Exception:  # noqa: BLE001 — as above
        return set()


def _readable(der: bytes):
    from asn1crypto import x509

    try:
        cert = x509.Certificate.load(der, strict=True)
        _ = (cert.subject.hashable, cert.issuer.hashable, cert.public_key.algorithm)
        _ = (cert.not_valid_before, cert.not_valid_after, cert.self_signed, cert.ca)
    except Exception:  # noqa: BLE001 — an unreadable one helps nobody
        return None
    return cert


def generous_store(ders: Iterable[bytes]):
    """Return a trust store that believes every root it is shown and calls nobody revoked.

    So that everything that depends on trust holds, and a wrong accept has nowhere to hide: what
    still is not valid is not valid for what was done to the file.
    """
    from gateway.trust.anchors import TrustStore
    from gateway.trust.policy import BUILT_IN

    certs = [c for der in sorted(set(ders)) if (c := _readable(der)) is not None]
    subjects = {c.subject.hashable for c in certs}
    # A certificate whose issuer is in no file is a root as well.
    top = {c.sha256 for c in certs if c.issuer.hashable not in subjects}
    top |= {c.sha256 for c in certs if c.self_signed in {"yes", "maybe"}}
    anchors = tuple(c for c in certs if c.sha256 in top)
    others = tuple(c for c in certs if c.sha256 not in top)
    lists = tuple(known for cert in certs if cert.ca and (known := _clean_list(cert)) is not None)
    digests = (*BUILT_IN.digests, ("sha1", None), ("sha224", None), ("sha3_224", None))
    policy = replace(BUILT_IN, digests=digests, rsa_bits=((1024, None),), ec_bits=192)
    return TrustStore(
        anchors=anchors, intermediates=others, lists=lists, slow_crls=(), policy=policy
    )


def _clean_list(cert):
    """Return a list of this authority with nobody on it, as if its signature had been verified."""
    from asn1crypto import crl, x509

    from gateway.trust.crl import read_list
    from gateway.trust.lists import KnownList, name_key

    tbs = {
        "version": "v2",
        "signature": {"algorithm": "sha256_rsa"},
        "issuer": cert.subject,
        "this_update": x509.Time({"utc_time": datetime(2000, 1, 1, tzinfo=UTC)}),
        "next_update": x509.Time({"utc_time": datetime(2049, 1, 1, tzinfo=UTC)}),
    }
    empty = crl.CertificateList(
        {"tbs_cert_list": tbs, "signature_algorithm": {"algorithm": "sha256_rsa"}, "signature": b""}
    )
    return KnownList(
        head=read_list(empty.dump()).head,
        issuer_name=name_key(cert.subject),
        issuer_key=cert.public_key.dump(),
        issuer="generous",
        find=lambda _: None,
    )


# ---------------------------------------------------------------- running

_STORES: dict[str, object] = {}


@dataclass(frozen=True)
class Job:
    """One file to examine, when, and under which of the stores."""

    file: str
    at: datetime = AT
    store: str = ""


def _start(folder: str, sets: dict[str, list[bytes]]) -> None:
    import logging

    from gateway.trust.anchors import TrustStore

    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))
    signal.signal(signal.SIGPROF, _rang)
    if folder:
        _STORES[""] = TrustStore.load(Path(folder))
    _STORES.update({name: generous_store(ders) for name, ders in sets.items()})


def _rang(*_: object) -> None:
    raise _HungError


class _HungError(BaseException):
    """A file took too long; not an Exception, so that nobody swallows it."""


def _one(job: Job) -> Got:
    from gateway.trust.verify import verify_file

    data = (CORPUS / job.file).read_bytes()
    signal.setitimer(signal.ITIMER_PROF, SECONDS_A_FILE)  # of the processor: others may be busy
    try:
        report = verify_file(
            data,
            sha256=hashlib.sha256(data).hexdigest(),
            at=job.at,
            store=_STORES[job.store],
        )
    except _HungError:
        return Got(job.file, "hung", trouble=f"over {SECONDS_A_FILE} s")
    except Exception as exc:  # noqa: BLE001 — that there is one is the finding
        return Got(job.file, "crashed", trouble=f"{type(exc).__name__}: {exc}")
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    signatures = tuple(
        {
            "field": s.field,
            "verdict": s.verdict.value,
            "sub": s.sub_indication,
            "intact": s.intact.value,
            "trusted": s.trusted.value,
            "role": s.role,
            "level": s.level,
            "notes": frozenset(n.code for n in s.notes),
            "changes": tuple((c.kind, c.page, c.field, c.old, c.new) for c in s.changes),
        }
        for s in report.signatures
    )
    return Got(job.file, report.verdict.value, signatures, frozenset(n.code for n in report.notes))


def run(
    jobs: Sequence[Job], *, trust: Path | None = None, sets: dict[str, list[bytes]] | None = None
) -> list[Got]:
    """Examine files in two processes, in order.

    Args:
        jobs: What to examine.
        trust: A trust folder; or
        sets: certificates for `generous_store`, by the name of the store.
    """
    forking = multiprocessing.get_context("forkserver")  # reads the code once for all runs
    forking.set_forkserver_preload(["gateway.trust.anchors", "gateway.trust.verify"])
    with ProcessPoolExecutor(2, forking, _start, (str(trust or ""), sets or {})) as pool:
        return list(pool.map(_one, jobs, chunksize=1))


def own() -> list[str]:
    """Return our own set."""
    return sorted(f for f in manifest() if f.startswith("own/pdf/"))


def public(name: str) -> list[str]:
    """Return the PDFs of one public set."""
    prefix = f"pdf/{name}/"
    return sorted(f for f in manifest() if f.startswith(prefix) and f.endswith(".pdf"))


def run_own(folder: Path) -> list[Got]:
    """Examine our own set under its own anchors."""
    return run([Job(f) for f in own()], trust=own_trust(folder))


def run_vietnamese() -> list[Got]:
    """Examine the Government's documents under their published authorities."""
    files = sorted(str(p.relative_to(CORPUS)) for p in (CORPUS / "vn" / "pdf").glob("*.pdf"))
    return run([Job(f) for f in files], trust=CORPUS / "vn" / "trust")


def run_public() -> list[Got]:
    """Examine the public sets, every root in them believed, nobody revoked, at their own time."""
    sets: dict[str, list[bytes]] = {}
    jobs = []
    for name in SETS:
        ders: set[bytes] = set()
        for file in public(name):
            found, times = carried((CORPUS / file).read_bytes())
            ders |= found
            jobs.append(Job(file, max(times, default=AT) + timedelta(hours=1), name))
        sets[name] = sorted(ders)
    return run(jobs, sets=sets)


# ---------------------------------------------------------------- the tables


def confusion(rows: Iterable[tuple[Expected, Got]]) -> list[str]:
    """Return expected × got as a Markdown table."""
    counts: Counter[tuple[str, str]] = Counter((e.row, g.verdict) for e, g in rows)
    columns = [v for v in (*VERDICTS, "hung", "crashed") if any(c == v for _, c in counts)]
    lines = ["| expected | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for row in sorted({r for r, _ in counts}):
        cells = [str(counts[row, c] or "") for c in columns]
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return lines


def wrong(rows: Iterable[tuple[Expected, Got]]) -> list[tuple[str, str, str]]:
    """Return what was said against the expectation: file, expected, said."""
    return [
        (g.file, e.row, g.verdict)
        for e, g in rows
        if g.verdict not in e.verdicts and g.file.rsplit("/", 1)[-1] not in ARGUED
    ]


def page(folder: Path) -> str:
    """Return docs/corpus.md."""
    from gateway.trust.pdf import ENGINE

    out = [
        "# The corpus: expected and got",
        "",
        "Written by `make corpus` from the sample folders beside the project; "
        f"engine `{ENGINE}`. Rows are what the manifest expects, columns what we say.",
        "",
        "Public sets are examined as generously as can be: every root found in a file is believed, "
        "every authority has a fresh list with nobody on it, old algorithms are allowed, and the "
        "question is asked an hour after the last signature. What is not valid then is not valid "
        "for what the file itself is.",
    ]
    mine = [(expected_own(g.file), g) for g in run_own(folder)]
    out += ["", "## own", "", *confusion(mine), *_list_wrong(mine)]
    honest = Expected("intact, chained, unknown", frozenset({"indeterminate"}))
    real = [(honest, g) for g in run_vietnamese()]
    out += ["", "## vn", "", *confusion(real), *_list_wrong(real)]
    got = run_public()
    for name in SETS:
        files = set(public(name))
        rows = [(expected_public(g.file), g) for g in got if g.file in files]
        out += ["", f"## {name}", "", *confusion(rows), *_list_wrong(rows)]
    if ARGUED:
        out += ["", "## Accepted deviations", "", "| file | why valid is right |", "|---|---|"]
        out += [f"| {file} | {why} |" for file, why in sorted(ARGUED.items())]
    return "\n".join(out) + "\n"


def _list_wrong(rows: Sequence[tuple[Expected, Got]]) -> list[str]:
    found = wrong(rows)
    if not found:
        return ["", "Nothing against the expectation."]
    return ["", *(f"- **{f}**: expected {e}, said {g}" for f, e, g in found)]


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as room:
        text = page(Path(room) / "trust")
    Path(sys.argv[1]).write_text(text, "utf-8")
