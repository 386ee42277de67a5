"""`make bench-verify`: our verification beside the library alone; docs/benchmarks-verify.{md,json}.

Both do the same job on the same files, in turns, in one process: integrity, differences, and both
signatures with time validation under the same trust and revocation lists. Every file is another
one, and asked about at another moment; the cache of verdicts is not involved. Ours gives the whole
report besides. The verdicts are compared. Figures of a shared machine are noisy: the ratio of two
engines that take turns is worth more than either's milliseconds.
"""

import argparse
import asyncio
import cProfile
import gc
import io
import json
import logging
import os
import pstats
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, ModificationLevel
from pyhanko.sign.validation import DocumentSecurityStore
from pyhanko.sign.validation.ades import ades_with_time_validation
from pyhanko.sign.validation.policy_decl import (
    CertificateFetchingRule,
    LocalKnowledge,
    RevinfoOnlineFetchingRule,
    RevocationInfoGatheringSpec,
    SignatureValidationSpec,
)
from pyhanko_certvalidator.context import CertValidationPolicySpec
from pyhanko_certvalidator.ltv.types import ValidationTimingInfo
from pyhanko_certvalidator.policy_decl import REQUIRE_REVINFO, CertRevTrustPolicy
from pyhanko_certvalidator.registry import SimpleTrustManager
from pyhanko_certvalidator.revinfo.archival import CRLContainer, OCSPContainer

from gateway.demo.letters import sign_once, sign_twice
from gateway.demo.pki import DevPki, make_pki
from gateway.trust import changes, levels
from gateway.trust.anchors import TrustStore
from gateway.trust.differences import open_pdf
from gateway.trust.evidence import gather
from gateway.trust.pdf import verify_pdf
from gateway.trust.remembering import remember
from tests.world.heavy_files import scan, tagged_text
from tests.world.machine import machine
from tests.world.signed_files import AGENCY, NOW, SIGNER

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = RevocationInfoGatheringSpec(
    online_fetching_rule=RevinfoOnlineFetchingRule.LOCAL_ONLY,
    certificate_fetching_rule=CertificateFetchingRule.NEVER_FETCH,
)
STAGES = (
    ("open_pdf", "differences.py", "mở tệp / open"),
    ("_list", "examination.py", "trường chữ ký / signature fields"),
    ("gather", "evidence.py", "bằng chứng trong tệp / evidence in the file"),
    ("judged", "differences.py", "băm, phạm vi, khác biệt / digest, coverage, differences"),
    ("_judge_all", "examination.py", "mật mã, đường dẫn, thời gian / cryptography, path, time"),
    ("changes_after", "changelist.py", "danh sách thay đổi / list of changes"),
    ("_describe_safely", "examination.py", "mô tả / description"),
    ("_about_the_file", "examination.py", "về tệp / about the file"),
    ("stranger_after", "guards.py", "byte ngoài bảng / bytes no table lists"),
    ("raw_signatures", "guards.py", "tìm chữ ký trong byte / signatures in the bytes"),
)


class Stock:
    """The library alone, as its documentation uses it."""

    def __init__(self, store: TrustStore, lists: list[CRLContainer]) -> None:
        self.trust = SimpleTrustManager.build(list(store.anchors))
        self.certs = list(store.intermediates)
        self.lists = lists

    def verdict(self, data: bytes, at: datetime) -> str:
        """Return `valid` when every signature passes and nothing unknown was added."""
        reader = PdfFileReader(io.BytesIO(data))
        dss = DocumentSecurityStore.read_dss(reader) if "/DSS" in reader.root else None
        carried = self.carried(dss)
        passed = []
        for signature in reader.embedded_signatures:
            signature.compute_integrity_info()
            result = asyncio.run(
                ades_with_time_validation(
                    signature.signed_data,
                    self.spec(carried, signature.other_embedded_certs),
                    timing_info=ValidationTimingInfo(at, at, point_in_time_validation=False),
                    raw_digest=signature.compute_digest(),
                )
            )
            found = signature.diff_result
            fine = isinstance(found, DiffResult)
            fine = fine and found.modification_level <= ModificationLevel.FORM_FILLING
            passed.append(fine and result.ades_subindic.name == "OK")
        return "valid" if passed and all(passed) else "indeterminate"

    def carried(self, dss: Any) -> tuple[list[Any], list[Any], list[Any]]:
        """Return what the file carries: certificates, lists, answers."""
        if dss is None:
            return [], [], []
        answers = [o for item in dss.ocsps for o in OCSPContainer.load_multi(_loaded(item))]
        return list(dss.load_certs()), [CRLContainer(_crl(item)) for item in dss.crls], answers

    def spec(self, carried: Any, embedded: list[Any]) -> SignatureValidationSpec:
        """Return the settings: as ours, but for what is ours."""
        certs, lists, answers = carried
        return SignatureValidationSpec(
            cert_validation_policy=CertValidationPolicySpec(
                trust_manager=self.trust, revinfo_policy=CertRevTrustPolicy(REQUIRE_REVINFO)
            ),
            revinfo_gathering_policy=OFFLINE,
            local_knowledge=LocalKnowledge(
                known_crls=[*self.lists, *lists],
                known_ocsps=answers,
                known_certs=[*self.certs, *certs, *embedded],
            ),
        )


def _crl(item: Any) -> Any:
    from asn1crypto.crl import CertificateList

    return CertificateList.load(item.get_object().data)


def _loaded(item: Any) -> Any:
    from asn1crypto.ocsp import OCSPResponse

    return OCSPResponse.load(item.get_object().data)


def same_job(store: TrustStore) -> Callable[[bytes, datetime], str]:
    """Return our engine doing what the library does: no guards, no description, no report."""

    def verdict(data: bytes, at: datetime) -> str:
        reader = open_pdf(data, strict=True)
        evidence = gather(reader, store, at)
        passed = []
        for signature in reader.embedded_signatures:
            trouble = changes.analyse(signature)
            found = signature.diff_result
            fine = not trouble and isinstance(found, DiffResult)
            fine = fine and found.modification_level <= ModificationLevel.FORM_FILLING
            passed.append(fine and levels.judge_signature(signature, evidence, ()).passed)
        return "valid" if passed and all(passed) else "indeterminate"

    return verdict


def ours(store: TrustStore) -> Callable[[bytes, datetime], str]:
    """Return our engine: the whole report of a file. Who asks has its digest already."""

    def verdict(data: bytes, at: datetime) -> str:
        return verify_pdf(data, sha256="0" * 64, at=at, store=store).verdict.value

    return verdict


class Stopwatch:
    """Processor and wall milliseconds of one engine on every file."""

    def __init__(self, engine: Callable[[bytes, datetime], str]) -> None:
        self.engine = engine
        self.cpu: list[float] = []
        self.wall: list[float] = []
        self.verdicts: list[str] = []

    def run(self, data: bytes, at: datetime) -> None:
        """Verify one file."""
        gc.collect()  # nobody pays for what another left behind
        cpu, wall = time.process_time(), time.perf_counter()
        verdict = self.engine(data, at)
        self.cpu.append((time.process_time() - cpu) * 1000)
        self.wall.append((time.perf_counter() - wall) * 1000)
        self.verdicts.append(verdict)

    def figures(self) -> dict[str, float]:
        """Return medians, the best, and documents a second of one core."""
        median = statistics.median(self.cpu)
        return {
            "cpu_ms_median": round(median, 1),
            "cpu_ms_best": round(min(self.cpu), 1),
            "wall_ms_median": round(statistics.median(self.wall), 1),
            "documents_per_s_per_core": round(1000 / median, 1),
        }


def compare(
    name: str, files: list[bytes], stock: Stock, store: TrustStore, *, stock_files: int
) -> dict[str, Any]:
    """Let the engines take turns over distinct files; the first file warms each up.

    Args:
        name: Of the case.
        files: Distinct; the first only warms.
        stock: The library alone.
        store: What is trusted.
        stock_files: How many files the library is asked about, where it takes seconds each.
    """
    whole, same, theirs = (
        Stopwatch(engine) for engine in (ours(store), same_job(store), stock.verdict)
    )
    first, *rest = files
    moments = (NOW + timedelta(minutes=1, seconds=n) for n in range(10_000))
    for n, data in enumerate(rest):
        if n < stock_files:
            remember(on=False)
            if stock_files == len(rest):
                theirs.engine(first, next(moments))
            theirs.run(data, next(moments))
            remember()
        for engine in (same, whole) if n % 2 else (whole, same):
            engine.engine(first, next(moments))
            engine.run(data, next(moments))
    verdicts = {*whole.verdicts, *same.verdicts, *theirs.verdicts}
    assert verdicts == {"valid"}, verdicts
    left = theirs.figures()
    return {
        "case": name,
        "bytes": len(first),
        "files": len(rest),
        "stock": left,
        "same_job": same.figures(),
        "whole_report": whole.figures(),
        "ratio_same_job": _ratio(left, same.figures()),
        "ratio_whole_report": _ratio(left, whole.figures()),
    }


def _ratio(left: dict[str, float], right: dict[str, float]) -> dict[str, float]:
    return {
        "median": round(left["cpu_ms_median"] / right["cpu_ms_median"], 2),
        "best": round(left["cpu_ms_best"] / right["cpu_ms_best"], 2),
    }


# ---------------------------------------------------------------- files and lists


def many_revoked(pki: DevPki, folder: Path, count: int) -> None:
    """Replace the issuing authority's list by one of `count` entries."""
    name = pki.issuing.load_certificate().subject
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(name)
        .last_update(NOW - timedelta(hours=1))
        .next_update(NOW + timedelta(days=3))
        .add_extension(x509.CRLNumber(77), critical=False)
    )
    entries = [
        x509.RevokedCertificateBuilder()
        .serial_number((1 << 100) + n)
        .revocation_date(NOW - timedelta(days=1 + n % 700))
        .build()
        for n in range(count)
    ]
    builder = x509.CertificateRevocationListBuilder(
        builder._issuer_name,
        builder._last_update,
        builder._next_update,
        builder._extensions,
        entries,
    )
    signed = builder.sign(pki.issuing.load_key(), hashes.SHA256())
    for old in folder.glob("issuing*.crl"):
        old.unlink()
    from cryptography.hazmat.primitives.serialization import Encoding

    (folder / "issuing.crl").write_bytes(signed.public_bytes(Encoding.DER))


def twice(pki: DevPki, pdf: bytes) -> bytes:
    """Sign by person and agency, with time-stamps and revocation data."""
    return sign_twice(pdf, pki, pki.person(), pki.agency(), NOW, level="B-LT")


def large_list(pki: DevPki, folder: Path, entries: int, files: int) -> dict[str, Any]:
    """Measure one signature without evidence of its own under a list of many entries."""
    many_revoked(pki, folder, entries)
    began = time.perf_counter()
    store = TrustStore.load(folder)
    loaded = (time.perf_counter() - began) * 1000
    pdfs = [
        sign_once(
            scan(1, size_bytes=20_000, seed=n),
            pki,
            pki.person(),
            "Ky",
            NOW,
            level="B-T",
            visible=False,
        )
        for n in range(files)
    ]
    warm = Stopwatch(ours(store))
    warm.engine(pdfs[0], NOW)
    for n, data in enumerate(pdfs[1:]):
        warm.run(data, NOW + timedelta(minutes=1, seconds=n))
    remember(on=False)
    lists = [CRLContainer(_plain_crl(path)) for path in sorted(folder.glob("*.crl"))]
    theirs = Stopwatch(Stock(store, lists).verdict)
    for n, data in enumerate(pdfs[:3]):
        theirs.run(data, NOW + timedelta(minutes=5, seconds=n))
    assert {*warm.verdicts, *theirs.verdicts} == {"valid"}
    return {
        "entries": entries,
        "load_once_ms": round(loaded),
        "warm": warm.figures(),
        "stock_first_ms": round(theirs.cpu[0]),
        "stock_repeated_ms": round(min(theirs.cpu[1:])),
    }


def _plain_crl(path: Path) -> Any:
    from asn1crypto.crl import CertificateList

    return CertificateList.load(path.read_bytes())


# ---------------------------------------------------------------- where the rest goes


def profile(files: list[bytes], store: TrustStore) -> dict[str, Any]:
    """Return the share of each stage, and of the functions that take most themselves."""
    engine = ours(store)
    engine(files[0], NOW)
    gc.collect()
    gc.freeze()
    profiler = cProfile.Profile()
    profiler.enable()
    for n, data in enumerate(files):
        engine(data, NOW + timedelta(minutes=2, seconds=n))
    profiler.disable()
    stats: Any = pstats.Stats(profiler)
    total = stats.total_tt
    stages = {
        label: round(100 * spent[3] / total, 1)
        for name, file, label in STAGES
        for key, spent in stats.stats.items()
        if key[2] == name and key[0].endswith("trust/" + file)
    }
    own = sorted(stats.stats.items(), key=lambda item: -item[1][2])[:12]
    calls = sum(spent[1] for spent in stats.stats.values())
    return {
        "calls_per_file": round(calls / len(files)),
        "stages": stages,
        "functions": [
            {
                "name": f"{Path(k[0]).name}:{k[2]}".removeprefix("~:"),
                "share": round(100 * v[2] / total, 1),
            }
            for k, v in own
        ],
    }


# ---------------------------------------------------------------- the page


def page(result: dict[str, Any]) -> str:
    """Return the page for people."""
    lines = [
        "# Benchmarks of verification",
        "",
        (
            "Made by `make bench-verify`; do not edit. `stock` is pyHanko alone: integrity,"
            " difference analysis and `ades_with_time_validation` of both signatures. `same job` is"
            " that with our parts; `whole report` is `verify_pdf` with all guards, facts and"
            " appearance. Warm process, no cache of verdicts. All take turns over distinct files,"
            " each asked about at another moment, in one process; the verdicts are compared. Times"
            " are processor time, medians. What is remembered, and why that is sound:"
            " [verification.md](verification.md#speed)."
        ),
        "",
        (
            f"Machine: {result['machine']['cpu']}, {result['machine']['cores']} cores,"
            f" {result['machine']['memory_gib']} GiB, Python {result['machine']['python']}."
            f" Run of {result['at']}; load {result['load_before']} before, {result['load_after']}"
            " after (others on the same cores make both engines slower; the ratio suffers little)."
        ),
        "",
        (
            "| case | size | files | stock | same job | whole report"
            " | same job, docs/s/core | whole report, docs/s/core"
            " | same job, times stock | whole report, times stock |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in result["cases"]:
        left, same, whole = row["stock"], row["same_job"], row["whole_report"]
        lines.append(
            f"| {row['case']} | {row['bytes'] / 1e6:.2f} MB | {row['files']}"
            f" | {left['cpu_ms_median']} ms | {same['cpu_ms_median']} ms"
            f" | {whole['cpu_ms_median']} ms | {same['documents_per_s_per_core']}"
            f" | {whole['documents_per_s_per_core']}"
            f" | **{row['ratio_same_job']['median']}** (best {row['ratio_same_job']['best']})"
            f" | **{row['ratio_whole_report']['median']}**"
            f" (best {row['ratio_whole_report']['best']}) |"
        )
    crl = result["large_list"]
    lines += [
        "",
        (
            f"A revocation list of {crl['entries']:,} entries in the trust folder, a signature"
            f" without evidence of its own: read and verified once in {crl['load_once_ms']} ms, then"
            f" {crl['warm']['cpu_ms_median']} ms a file (median; best {crl['warm']['cpu_ms_best']});"
            f" stock {crl['stock_first_ms']} ms the first time, {crl['stock_repeated_ms']} ms every"
            " time after."
        ),
    ]
    for name, found in result["profiles"].items():
        lines += [
            "",
            f"## Where the rest goes: {name}",
            "",
            f"{found['calls_per_file']:,} function calls a file. Shares under the profiler.",
            "",
            "| stage | share |",
            "|---|---|",
        ]
        lines += [f"| {label} | {share} % |" for label, share in found["stages"].items()]
        lines += ["", "| function | own share |", "|---|---|"]
        lines += [f"| `{row['name']}` | {row['share']} % |" for row in found["functions"]]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scans", type=int, default=40, help="scan files")
    parser.add_argument("--texts", type=int, default=12, help="word processor files")
    parser.add_argument("--out", type=Path, default=ROOT / "docs")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    before = [round(x, 1) for x in os.getloadavg()]
    with tempfile.TemporaryDirectory(prefix="vanlien-bench-") as name:
        folder = Path(name)
        pki = make_pki(folder / "pki", now=NOW, agencies=[AGENCY], people=[SIGNER])
        store = TrustStore.load(pki.trust_dir)
        lists = [CRLContainer(_plain_crl(path)) for path in sorted(pki.trust_dir.glob("*.crl"))]
        stock = Stock(store, lists)
        scans = [twice(pki, scan(seed=n)) for n in range(options.scans + 1)]
        texts = [twice(pki, tagged_text(seed=n)) for n in range(options.texts + 1)]
        gc.collect()
        gc.freeze()  # as a worker does
        cases = [
            compare("scan, two B-LT signatures", scans, stock, store, stock_files=options.scans),
            compare("word processor, 7,700 objects, two B-LT", texts, stock, store, stock_files=4),
        ]
        for row in cases:
            print(json.dumps(row, ensure_ascii=False), flush=True)
        result = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": machine(),
            "load_before": before,
            "cases": cases,
            "profiles": {
                "scan": profile(scans[:8], store),
                "word processor": profile(texts[:3], store),
            },
            "large_list": large_list(pki, pki.trust_dir, 100_000, 12),
            "load_after": [round(x, 1) for x in os.getloadavg()],
        }
    print(json.dumps(result["large_list"]))
    text = json.dumps(result, ensure_ascii=False, indent=2) + "\n"
    (options.out / "benchmarks-verify.json").write_text(text, encoding="utf-8")
    (options.out / "benchmarks-verify.md").write_text(page(result), encoding="utf-8")


if __name__ == "__main__":
    main()
