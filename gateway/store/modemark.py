"""Is this ledger for training, or the real one? Remembered at the first start, asked at every one.

A ledger of training under real settings would send training data out under real numbers; the real
one under settings for training would mark real documents as no documents, and take numbers of the
register for exercises. Neither is ever meant, so neither starts, and nothing turns one into the
other. The mark goes with backups. A crash leaves the mark or none.
"""

from typing import Final

from gateway.errors import ConfigurationError, Fault
from gateway.ports import Absent, ChangeSet, Committed, Insert, Ledger

KEY: Final = "mode"
TRAINING: Final = "training"
REAL: Final = "real"

_HOW_VI: Final = (
    "Để bắt đầu một sổ cái mới, đặt gateway.data_dir (hoặc ledger.url) ở nơi khác rồi chạy "
    "«vanlien init»; không có cách đổi sổ cái này thành loại kia."
)
_HOW_EN: Final = (
    "For a new ledger set gateway.data_dir (or ledger.url) to another place and run `vanlien "
    "init`; nothing turns this ledger into the other kind."
)
_WRONG: Final = {
    TRAINING: Fault(
        "console.training",
        "sổ cái này là của hệ thống tập huấn, mà console.training đang tắt: dữ liệu thử sẽ đi như "
        f"thật. Bật lại console.training, hoặc dùng sổ cái khác. {_HOW_VI}",
        "this ledger is of a system for training, and console.training is off: training data would "
        f"leave as real. Turn console.training on again, or use another ledger. {_HOW_EN}",
    ),
    REAL: Fault(
        "console.training",
        "sổ cái này là của hệ thống thật, mà console.training đang bật: văn bản thật sẽ bị ghi "
        f"«DỮ LIỆU THỬ». Tắt console.training, hoặc dùng sổ cái khác để tập huấn. {_HOW_VI}",
        "this ledger is the real one, and console.training is on: real documents would be marked "
        f"as training data. Turn console.training off, or train with another ledger. {_HOW_EN}",
    ),
}


async def claim(ledger: Ledger, *, training: bool) -> None:
    """Return when the ledger is of the kind the settings say.

    Raises:
        ConfigurationError: It is of the other kind.
        UnavailableError: It cannot be asked now.
    """
    wanted = TRAINING if training else REAL
    row = await ledger.one("meta", key=KEY)
    if row is None:
        mark = {"key": KEY}
        change = ChangeSet((Insert("meta", mark | {"value": wanted}),), (Absent("meta", mark),))
        if isinstance(await ledger.commit(change), Committed):
            return
        row = await ledger.one("meta", key=KEY)  # another node was first
    if row is not None and row["value"] != wanted:
        fault = _WRONG[row["value"]]
        raise ConfigurationError(fault.en, (fault,))
