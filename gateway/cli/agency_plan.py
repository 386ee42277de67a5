"""A plan of catalogue changes as a file: written once, read back exactly, named by its own hash.

Promises: what is read is what was written, or it is refused; a plan that had to be forced says so.
The file appears under its name whole or not at all. A crash leaves at worst a `.part` file.
"""

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.cli.frame import UsageFault
from gateway.domain.catalogue_plan import Plan, Step

_FORMAT: Final = "vanlien-agency-plan/1"
_MAX_BYTES: Final = 512 * 2**20


@dataclass(frozen=True, slots=True)
class PlanFile:
    """A plan, where it came from, and its name: the SHA-256 of everything else."""

    source: str
    made_at: str
    made_by: str
    forced: bool
    refused: str
    counts: Mapping[str, int]
    steps: tuple[Step, ...]
    sha256: str


def content(plan: Plan, source: str, made_at: str, made_by: str, *, forced: bool) -> dict[str, Any]:
    """Return what a plan file holds, its hash included."""
    body: dict[str, Any] = {
        "format": _FORMAT,
        "source": source,
        "made_at": made_at,
        "made_by": made_by,
        "forced": forced,
        "refused": plan.too_many,
        "counts": plan.counts,
        "conflicts": [asdict(r) for r in plan.conflicts],
        "warnings": [asdict(r) for r in plan.warnings],
        "missing": list(plan.missing),
        "steps": [[s.code, list(s.kinds), s.before, s.after] for s in plan.steps],
    }
    return body | {"sha256": _digest(body)}


def _digest(body: Mapping[str, Any]) -> str:
    hashed = {k: v for k, v in body.items() if k != "sha256"}
    return hashlib.sha256(orjson.dumps(hashed, option=orjson.OPT_SORT_KEYS)).hexdigest()


def write(path: Path, held: Mapping[str, Any]) -> None:
    """Write a plan file; nobody else's is overwritten.

    Raises:
        UsageFault: The file is there already, or cannot be written.
    """
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as file:
            file.write(orjson.dumps(held, option=orjson.OPT_INDENT_2) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        path.hardlink_to(part)
    except FileExistsError as exc:
        raise UsageFault(f"{path}: đã có tệp này", f"{path}: there is such a file") from exc
    except OSError as exc:
        raise UsageFault(
            f"{path}: không ghi được: {exc.strerror}", f"{path}: cannot be written: {exc.strerror}"
        ) from exc
    finally:
        part.unlink(missing_ok=True)


def read(path: Path) -> PlanFile:
    """Return a plan as it was written.

    Raises:
        UsageFault: No plan, damaged, changed by hand, or of another program.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise _no_plan(path)
        held = orjson.loads(path.read_bytes())
    except OSError as exc:
        raise UsageFault(
            f"{path}: không đọc được: {exc.strerror}", f"{path}: unreadable: {exc.strerror}"
        ) from exc
    except ValueError as exc:
        raise _no_plan(path) from exc
    if not isinstance(held, dict) or held.get("format") != _FORMAT:
        raise _no_plan(path)
    if held.get("sha256") != _digest(held):
        raise UsageFault(
            f"{path}: nội dung không khớp mã băm: tệp hỏng hoặc đã bị sửa; lập lại kế hoạch.",
            f"{path}: the content is not what was hashed: damaged or edited; make the plan anew.",
        )
    return PlanFile(
        held["source"],
        held["made_at"],
        held["made_by"],
        held["forced"],
        held["refused"],
        held["counts"],
        tuple(_step(*row) for row in held["steps"]),
        held["sha256"],
    )


def _step(
    code: str, kinds: Sequence[str], before: Mapping[str, Any] | None, after: Mapping[str, Any]
) -> Step:
    return Step(code, tuple(kinds), before, after)


def _no_plan(path: Path) -> UsageFault:
    return UsageFault(
        f"{path}: không phải tệp kế hoạch danh mục.", f"{path}: is no plan of the catalogue."
    )
