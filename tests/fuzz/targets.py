"""Where mutated bytes go in, and what must be true of what comes out.

A target makes a case from dice and runs it. It returns what was seen (for counting, and for
keeping what is new) and what is wrong, "" for nothing. Whatever escapes as an exception is wrong;
time and memory are watched from outside.
"""

import hashlib
import io
import json
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.trust.anchors import TrustStore
from gateway.trust.crl import RefusedListError, read_list
from gateway.trust.lists import verified_list
from gateway.trust.ocsp import read_answer
from gateway.trust.render import from_json, to_json
from gateway.trust.report import Verdict, VerificationReport
from gateway.trust.verify import verify_file
from tests.fuzz import der, pdf, seeds, xmltree
from tests.golden.signatures import authority
from tests.golden.signatures.authority import NOW, SIGNED
from tests.golden.signatures.cases import build
from tests.unit.trust import test_xmlsig_fuzz as signed_xml

Step = tuple[Callable[[bytes, Random], bytes], int]


@dataclass
class Case:
    """One mutated input: a seed and the steps from it, so that steps can be left out again."""

    target: str
    seed: str
    base: bytes
    steps: list[Step] = field(default_factory=list)
    suffix: str = ".bin"

    def bytes(self) -> bytes:
        """Return the mutated input."""
        return pdf.applied(self.base, self.steps)


@dataclass(frozen=True)
class Seen:
    """What came of one input.

    Args:
        key: A class of behaviour, to count and to keep examples of.
        wrong: Why it is a finding, "" when it is none.
    """

    key: str
    wrong: str = ""


@dataclass(frozen=True)
class Target:
    """One entry point: makes cases, runs inputs."""

    name: str
    weight: int
    make: Callable[[Random, Sequence[seeds.Seed]], Case]
    run: Callable[[bytes], Seen]


# ---------------------------------------------------------------- files


def _report(data: bytes) -> VerificationReport:
    return verify_file(data, sha256=hashlib.sha256(data).hexdigest(), at=NOW, store=seeds.store())


def _behaviour(report: VerificationReport) -> str:
    parts = [report.kind, report.verdict.value, *sorted({n.code for n in report.notes})]
    for one in report.signatures[:4]:
        parts += ["|", one.verdict.value, one.sub_indication, one.later_changes, one.level]
        parts += sorted({n.code for n in one.notes})
    return " ".join(parts)


def run_file(data: bytes) -> Seen:
    """Verify a file; the report must render and read back, and must not be a wrong accept."""
    report = _report(data)
    rendered = to_json(report)
    if from_json(json.loads(json.dumps(rendered))) != report:
        return Seen(_behaviour(report), "the report does not read back")
    return Seen(_behaviour(report), _objection(data, report))


def _objection(data: bytes, report: VerificationReport) -> str:
    if report.kind == "zip" or data[:2] == b"PK":
        return _zip_objection(data, report)
    if b"%PDF-" in data[:1024]:
        return seeds.truth().objection(data, report)
    # XML: none of the samples is signed under the golden anchors.
    return "valid without an anchor of ours" if report.verdict is Verdict.VALID else ""


def _zip_objection(data: bytes, report: VerificationReport) -> str:
    """A container may be valid when what any tool would unpack of it is."""
    if report.verdict is not Verdict.VALID:
        return ""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            for info in packed.infolist():
                inner = packed.read(info)
                if inner[:5] == b"%PDF-":
                    why = seeds.truth().objection(inner, _report(inner))
                    if why or _report(inner).verdict not in {Verdict.VALID, Verdict.UNSIGNED}:
                        return f"{info.filename}: {why or 'not valid by itself'}"
    except Exception as exc:  # noqa: BLE001 — other tools cannot read it at all
        return f"valid, though it cannot be unpacked: {exc}"
    return ""


def make_pdf(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a mutated PDF: mostly of a golden file, else a sample or a new find."""
    pool = dice.choices(
        (seeds.golden(), seeds.samples() or seeds.golden(), found or seeds.golden()), (70, 12, 18)
    )[0]
    seed = dice.choice(pool)
    return Case("pdf", seed.name, seed.data, pdf.plan(dice), ".pdf")


def make_xml(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a mutated XML file with a signature."""
    seed = dice.choice(seeds.xml())
    steps = [(xmltree.mutated, dice.getrandbits(64)) for _ in range(dice.choice((1, 1, 2, 4)))]
    return Case("xml", seed.name, seed.data, steps, ".xml")


def make_signed(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return mutated XML whose signature holds under an anchor."""
    name = dice.choice(sorted(signed_xml.originals()))
    steps = [(xmltree.mutated, dice.getrandbits(64)) for _ in range(dice.choice((1, 1, 2, 3)))]
    return Case("signedxml", name, signed_xml.originals()[name], steps, f".{name}.xml")


def run_signed(name: str, data: bytes) -> Seen:
    """Verify it as its own suite does: valid only where a reader reads what was signed."""
    try:
        report = signed_xml.check(name, data)
    except AssertionError as exc:
        return Seen(f"signedxml {name}", str(exc)[:200] or "valid, and not what was signed")
    return Seen(f"signedxml {name} {_behaviour(report)}" if report else f"signedxml {name}")


def make_zip(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a damaged container, or a sound one with a damaged file in it."""
    seed = dice.choice(seeds.zips())
    step = dice.choice((der.flipped, pdf.bytes_changed, pdf.cut, _repacked, _bomb))
    return Case("zip", seed.name, seed.data, [(step, dice.getrandbits(64))], ".zip")


def _repacked(data: bytes, dice: Random) -> bytes:
    out = io.BytesIO()
    with (
        warnings.catch_warnings(action="ignore"),  # two entries of one name are what is wanted
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w") as new,
    ):
        for info in old.infolist():
            body = pdf.applied(old.read(info), pdf.plan(dice))
            name = dice.choice((info.filename, "../" + info.filename, "a/" * 200 + "x", "", "\0"))
            new.writestr(zipfile.ZipInfo(name or "x"), body, zipfile.ZIP_DEFLATED)
            if dice.random() < 0.3:
                new.writestr(zipfile.ZipInfo(info.filename), build("content-changed"))
    return out.getvalue()


def _bomb(data: bytes, dice: Random) -> bytes:
    for _ in range(dice.choice((1, 3, 6))):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
            for number in range(dice.choice((1, 2))):
                new.writestr(zipfile.ZipInfo(f"{number}.zip"), data)
            new.writestr(zipfile.ZipInfo("0.bin"), bytes(dice.choice((10, 10_000_000))))
        data = out.getvalue()
    return data


# ---------------------------------------------------------------- trust material


def make_trust(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a damaged certificate or list of the trust directory."""
    name = dice.choice(("root.pem", "issuing.pem", "root.crl", "issuing.crl"))
    who, kind = name.split(".")
    base = authority.der(who) if kind == "pem" else authority.crl(who)
    step = dice.choice((der.mutated, der.mutated, der.flipped, _as_pem))
    return Case("trust", name, base, [(step, dice.getrandbits(64))], f".{name}")


def _as_pem(data: bytes, dice: Random) -> bytes:
    try:
        text = x509.load_der_x509_certificate(data).public_bytes(Encoding.PEM)
    except ValueError:
        text = x509.load_der_x509_crl(data).public_bytes(Encoding.PEM)
    return der.flipped(text, dice)


def run_trust(name: str, data: bytes) -> Seen:
    """Load a directory with one damaged file, and ask it about good and revoked signatures."""
    with tempfile.TemporaryDirectory(prefix="fuzz-trust-") as folder:
        room = authority.lay_out_trust(Path(folder))
        (room / name).write_bytes(data)
        damaged = TrustStore.load(room)
    key = f"trust {name} {len(damaged.anchors)} {len(damaged.intermediates)} {len(damaged.faults)}"
    root = authority.der("root")
    if name != "root.pem" and [a.dump() for a in damaged.anchors] != [root]:
        return Seen(key, "another file than the anchor's changed the anchors")
    for probe in ("revoked-before-stamp", "double-of-the-root", "self-signed"):
        pdf_bytes = build(probe)
        report = verify_file(
            pdf_bytes, sha256=hashlib.sha256(pdf_bytes).hexdigest(), at=NOW, store=damaged
        )
        key += f" {report.verdict.value}"
        if report.verdict is Verdict.VALID:
            return Seen(key, f"{probe} is valid under a damaged {name}")
    return Seen(key)


def make_crl(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a damaged revocation list."""
    steps = [(der.mutated, dice.getrandbits(64)) for _ in range(dice.choice((1, 2)))]
    return Case("crl", "issuing.crl", authority.crl("issuing"), steps, ".crl")


def run_crl(data: bytes) -> Seen:
    """Read a list as the store does; a second reader must see the same entries."""
    try:
        mine = read_list(data)
    except RefusedListError as exc:
        return Seen(f"crl refused {exc}"[:120])
    try:
        theirs = {e.serial_number for e in x509.load_der_x509_crl(data)}
    except (ValueError, x509.InvalidVersion):
        theirs = None
    if theirs is not None and theirs != set(mine.entries):
        return Seen("crl differs", "two readers see different entries")
    try:
        verified_list(data, [authority.asn1_certificate("issuing")])
    except RefusedListError as exc:
        return Seen(f"crl read {exc}"[:120])
    same = set(mine.entries) == {authority.MEMBERS["revoked"].serial}
    return Seen("crl verified", "" if same else "a verified list with other entries")


def make_ocsp(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a damaged OCSP answer that says `revoked`."""
    base = authority.ocsp_answer("revoked", SIGNED, revoked=True)
    steps = [(der.mutated, dice.getrandbits(64)) for _ in range(dice.choice((1, 2)))]
    return Case("ocsp", "revoked", base, steps, ".ocsp")


def run_ocsp(data: bytes) -> Seen:
    """Read an answer; one that verifies still says revoked."""
    serial = authority.MEMBERS["revoked"].serial
    try:
        answer = read_answer(data, authority.asn1_certificate("issuing"), serial)
    except RefusedListError as exc:
        return Seen(f"ocsp refused {exc}"[:120])
    wrong = "" if answer.revoked_at == authority.REVOKED else "the revocation is gone"
    return Seen("ocsp verified", wrong)


# ---------------------------------------------------------------- stored reports


def make_json(dice: Random, found: Sequence[seeds.Seed]) -> Case:
    """Return a damaged stored report."""
    name = dice.choice(("b-lt", "two-signatures", "content-changed", "unsigned"))
    base = json.dumps(to_json(_report(build(name))), ensure_ascii=False).encode()
    return Case("json", name, base, [(_json_changed, dice.getrandbits(64))], ".json")


def _json_changed(data: bytes, dice: Random) -> bytes:
    tree = json.loads(data)
    places: list[tuple[object, object]] = []

    def walk(node: object) -> None:
        items = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            places.append((node, key))
            if isinstance(value, dict | list):
                walk(value)

    walk(tree)
    for _ in range(dice.choice((1, 1, 3))):
        node, key = dice.choice(places)
        node[key] = dice.choice(
            (None, 1, -1.5, "", "x", [], {}, True, 10**400, "9999-99-99", "\ud800", [[]] * 50)
        )
    return json.dumps(tree).encode()


def run_json(data: bytes) -> Seen:
    """Read a stored report: a value, or ValueError."""
    try:
        report = from_json(json.loads(data))
    except ValueError as exc:
        return Seen(f"json {type(exc).__name__}")
    return Seen(f"json {report.verdict.value}")


TARGETS: dict[str, Target] = {
    t.name: t
    for t in (
        Target("pdf", 78, make_pdf, run_file),
        Target("xml", 6 if seeds.xml() else 0, make_xml, run_file),
        Target("signedxml", 6, make_signed, lambda data: run_signed("letter", data)),
        Target("zip", 4, make_zip, run_file),
        Target("trust", 5, make_trust, lambda data: run_trust("issuing.crl", data)),
        Target("crl", 3, make_crl, run_crl),
        Target("ocsp", 3, make_ocsp, run_ocsp),
        Target("json", 1, make_json, run_json),
    )
}


def run(case: Case, data: bytes | None = None) -> Seen:
    """Run one case."""
    data = case.bytes() if data is None else data
    if case.target == "trust":
        return run_trust(case.suffix[1:], data)
    if case.target == "signedxml":
        return run_signed(case.seed, data)
    return TARGETS[case.target].run(data)


def run_kept(path: Path) -> Seen:
    """Run a kept input; its name begins with its target."""
    target = path.name.split("-", 1)[0]
    if target == "trust":
        return run_trust(".".join(path.name.split(".")[1:]), path.read_bytes())
    if target == "signedxml":
        return run_signed(path.name.split(".")[1], path.read_bytes())
    return TARGETS[target].run(path.read_bytes())


def draw(number: int, seed: int, found: Sequence[seeds.Seed], only: Sequence[str] = ()) -> Case:
    """Return case `number` of a run; the same for the same seed and finds."""
    dice = Random(f"{seed}:{number}")
    chosen = [t for t in TARGETS.values() if t.weight and (not only or t.name in only)]
    target = dice.choices(chosen, [t.weight for t in chosen])[0]
    return target.make(dice, found)
