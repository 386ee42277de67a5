"""Names in a spool folder: what a dropped file is, what its results are called. Pure.

A name says what a file is for; its bytes say whether that is true. Results of `cong-van.edxml` are
`cong-van.edxml.ket-qua.json` and so on, beside it in `out/cur`.
"""

import hashlib
import re
from datetime import datetime
from typing import Final

from gateway.domain.moments import VIETNAM

RESULT: Final = ".ket-qua.json"
READABLE: Final = ".ket-qua.txt"
STATE: Final = ".trang-thai.json"
STATE_READABLE: Final = ".trang-thai.txt"
RECEIPTS: Final = ".bien-nhan.json"
STATUS: Final = ".status.json"
PACKETS: Final = (".edxml", ".xml")
SCANS: Final = {
    ".pdf": "application/pdf",
    ".tif": "image/tiff",
    ".tiff": "image/tiff",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
}
"""FMT-12 (S004 art 9.1b): the signed and sealed document, scanned as image or PDF."""
SIDECARS: Final = (".json", ".ini", ".csv")

_UNFINISHED: Final = (".tmp", ".part", ".partial", ".crdownload", ".filepart", "~")
_MOST_BYTES: Final = 180
_ITEM: Final = re.compile(
    r"\d{8}-\d{6}_([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:\.lai\d{0,3})?\Z"
)


def is_good(name: str) -> bool:
    """Tell whether a name can be shown, and results can be called after it."""
    try:
        data = name.encode()
    except UnicodeEncodeError:
        return False
    return len(data) <= _MOST_BYTES and name.isprintable()


def stand_in(name: str) -> str:
    """Return what something with an impossible name is called from here on."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
    return f"ten-khong-hop-le-{digest[:12]}"


def is_unfinished(name: str) -> bool:
    """Tell whether a name says that somebody still writes."""
    return name.lower().endswith(_UNFINISHED)


def suffix_of(name: str) -> str:
    """Return the lower-case extension with its dot, "" without one."""
    stem, dot, suffix = name.rpartition(".")
    return f".{suffix.lower()}" if dot and stem else ""


def stem_of(name: str) -> str:
    """Return the name without its extension."""
    return name.rpartition(".")[0] or name


def other_name(name: str, digest: str) -> str:
    """Return the name of a second file of the same name with other content."""
    suffix = suffix_of(name)
    stem = name[: len(name) - len(suffix)] if suffix else name
    return f"{stem}~{digest[:12]}{suffix}"


def key_of(name: str, digest: str) -> str:
    """Return the idempotency key of a dropped file: the same name and bytes are the same wish."""
    told = hashlib.sha256(f"{name}\0{digest}".encode()).hexdigest()
    return f"spool:{told}"


def item_folder(at: datetime, item_id: str, again: int = 0) -> str:
    """Return the name of the folder an item is brought in.

    Args:
        at: When it came to the gateway.
        item_id: Its id.
        again: 0 the first time, then how often it was asked for again.
    """
    marked = "" if again == 0 else ".lai" if again == 1 else f".lai{again}"
    return f"{at.astimezone(VIETNAM).strftime('%Y%m%d-%H%M%S')}_{item_id}{marked}"


def item_of(name: str) -> str | None:
    """Return the id of the item a folder of ours holds, None when it is not such a folder."""
    found = _ITEM.fullmatch(name)
    return found[1] if found else None
