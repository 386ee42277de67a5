"""What stands above an agency's report: its name, the country, place and date (NĐ30 PL I). Pure."""

from typing import Final

from gateway.domain.moments import VIETNAM
from gateway.reports.tables import Table

COUNTRY: Final = "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM"
MOTTO: Final = "Độc lập - Tự do - Hạnh phúc"


def head_of(table: Table) -> tuple[str, ...]:
    """Return agency, country, motto, place and date; nothing for a table of no agency's.

    The place is left to be written: it is not said in the catalogue.
    """
    if not table.issuer:
        return ()
    at = None if table.made_at is None else table.made_at.astimezone(VIETNAM)
    # NĐ30 PL I: days under ten and months under three have a nought in front.
    day = "… tháng … năm …" if at is None else f"{at:%d} tháng {_month(at.month)} năm {at.year}"
    return table.issuer.upper(), COUNTRY, MOTTO, f"…………, ngày {day}"


def _month(month: int) -> str:
    return f"{month:02}" if month < 3 else str(month)
