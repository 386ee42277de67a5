"""`vanlien doctor`: everything a gateway needs, tried once; what is wrong and what to do.

For the first day, after a change and when something is odd. It works without a server and beside
one, and changes nothing that stays.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, emit, examples

if TYPE_CHECKING:
    from gateway.doctor import Finding

BAD: Final = 1
_SIGNS: Final = {"ok": "✓", "warning": "!", "bad": "✗"}


def register(app: typer.Typer) -> None:
    """Add `doctor`."""
    app.command(
        "doctor",
        epilog=examples(
            "vanlien doctor --config /srv/vanlien/vanlien.toml",
            "vanlien doctor --json",
            exits="0 đều tốt, có thể có lưu ý / all well, perhaps with remarks · 1 có chỗ hỏng / "
            "something is wrong",
        ),
    )(doctor)


def doctor(config: ConfigOption = Path(CONFIG_NAME), as_json: JsonOption = False) -> int:
    """Khám toàn bộ: sổ cái, kho tệp, hàng đợi, khóa, đích… / Try everything a gateway needs."""
    from gateway.config import check, load

    faults = check(config)
    if faults:
        payload = {
            "well": False,
            "findings": [
                {"what": f.where, "state": "bad", "vi": f.vi, "en": f.en, "next": None}
                for f in faults
            ],
        }
        lines = [f"✗ {f.where}: {f.vi} / {f.en}" for f in faults]
        emit(payload, "\n".join(lines), as_json)
        return USAGE
    from gateway import doctor as office

    found = office.examine(load(config))
    payload = {
        "well": all(one.state != office.BAD for one in found),
        "findings": [
            {
                "what": one.what,
                "state": one.state,
                "vi": one.vi,
                "en": one.en,
                "next": one.next_step or None,
            }
            for one in found
        ],
    }
    rows = [(_SIGNS[one.state], one.what, _said(one), one.next_step) for one in found]
    columns = ("", "Khám / Tried", "Kết quả / Found", "Làm gì / Next")
    emit(payload, common.table("Khám cổng / Doctor", columns, rows), as_json)
    return OK if payload["well"] else BAD


def _said(one: "Finding") -> str:
    return one.vi if one.vi == one.en else f"{one.vi}\n{one.en}"
