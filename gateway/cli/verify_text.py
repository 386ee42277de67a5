"""What `vanlien verify` prints for people: the report's own model, as lines of text.

Both languages beside each other, or one. Everything a file says was cleaned when the model was
built. Pure.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

    from gateway.reports.advice import Words
    from gateway.reports.model import Card, DocumentView, FileView

_COLOURS: Final = {"good": "green", "doubt": "yellow", "bad": "red", "none": "bright_black"}


class Speaker:
    """Says words in the language asked for.

    Args:
        lang: `vi`, `en`, or "" for both.
    """

    def __init__(self, lang: str = "") -> None:
        self._lang = lang

    def __call__(self, text: "Words") -> str:
        """Return one text."""
        if self._lang == "en":
            return text.en
        if self._lang == "vi" or text.vi == text.en:
            return text.vi
        return f"{text.vi} / {text.en}"

    def of(self, vi: str, en: str) -> str:
        """Return one text of ours."""
        return {"en": en, "vi": vi}.get(self._lang, f"{vi} / {en}")


def one(view: "DocumentView", say: Speaker, faults: Sequence[str]) -> "Text":
    """Return the report on one file."""
    from rich.text import Text

    (file,) = view.files
    out = Text()
    out.append(f"{say(file.headline)}\n", style=f"bold {_COLOURS[file.tone]}")
    out.append(f"{say(file.told.todo)}\n")
    out.append(f"{say(file.told.why)}\n\n")
    for mark in file.secrecy:
        warning = say.of(
            f"TRANG 1 CÓ DẤU ĐỘ MẬT: {mark}. Không gửi qua hệ thống này.",
            f"Page 1 carries a secrecy stamp: {mark}. Not to be sent through this system.",
        )
        out.append(f"{warning}\n\n", style="bold red")
    out.append(f"{say.of('Tệp', 'File')}: {file.name}\n")
    for row in (*file.facts, *file.technical[:2]):
        out.append(f"{say(row.label)}: {say(row.value)}\n")
    _notes(out, file, say)
    for fault in faults:
        out.append(f"{say.of('Kho chứng thư', 'Trust directory')}: {fault}\n")
    for card in file.cards:
        out.append("\n")
        _card(out, card, say)
    for part in file.parts:
        out.append(f"\n{part.name}: {say(part.headline)}. {say(part.detail)}\n")
    for text in file.left_out:
        out.append(f"{say(text)}\n")
    out.rstrip()
    return out


def summary(view: "DocumentView", say: Speaker, faults: Sequence[str]) -> "RenderableType":
    """Return a table of several files and the lines after it."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    grid = Table(show_lines=False)
    for column in (
        say.of("Tệp", "File"),
        say.of("Kết luận", "Verdict"),
        say.of("Chữ ký", "Signed"),
        say.of("Việc cần làm", "What to do"),
    ):
        grid.add_column(Text(column), overflow="fold")
    for file in view.files:
        grid.add_row(
            Text(file.name),
            Text(f"{file.icon} {say(file.headline)}", style=_COLOURS[file.tone]),
            Text(str(len(file.cards))),
            Text(f"{say(file.told.why)} {say(file.told.todo)}"),
        )
    label = say.of("Kho chứng thư", "Trust directory")
    return Group(grid, *(Text(f"{label}: {fault}") for fault in faults))


def _notes(out: "Text", it: "FileView | Card", say: Speaker, indent: str = "") -> None:
    for note in it.notes:
        out.append(f"{indent}{say.of('Lưu ý', 'Note')}: {say(note.text)}\n")


def _card(out: "Text", card: "Card", say: Speaker) -> None:
    unit = f", {card.organization}" if card.organization else ""
    out.append(f"{card.number}. {card.who}{unit} ({say(card.role)}): ")
    code = next((row.value.vi for row in card.technical if row.label.en == "ETSI indication"), "")
    shown = f" ({code})" if card.tone != "good" and code else ""
    out.append(f"{say(card.headline)}{shown}\n", style=_COLOURS[card.tone])
    authority = f", {card.time_authority}" if card.time_authority else ""
    lines = [
        f"{say(card.told.why)}",
        f"{say.of('Ký lúc', 'Signed')}: {card.time or '–'} ({say(card.time_source)}{authority})",
        *(f"{a.icon} {say(a.question)}: {say(a.answer).lower()}" for a in card.answers),
        f"{say.of('Phạm vi ký', 'Covers')}: {say(card.coverage)}",
        f"{say.of('Sau khi ký', 'Afterwards')}: {say(card.changes)}",
        *(f"  {say(change)}" for change in card.change_rows),
    ]
    for line in lines:
        out.append(f"   {line}\n")
    _notes(out, card, say, "   ")
