"""Level-1 agencies as known in November 2026, with dates and how sure each row is.

Data with validity, not law in code (ID-07): the catalogue imported from the axis replaces it. The
marks: "Q" read as a quotation of QĐ 09/2025/QĐ-TTg or NQ 202/2025/QH15, "M" general knowledge, to
be checked against the published annex before it is relied upon. Pure data.
"""

from dataclasses import dataclass
from datetime import date
from typing import Final

from gateway.domain.catalogue_plan import Listed
from gateway.domain.catalogue_remarks import Remark
from gateway.domain.directory import Agency, AgencyStatus

MERGED_PROVINCES: Final = date(2025, 7, 1)
"""First day of the 34 provinces (NQ 202/2025/QH15)."""

MERGED_MINISTRIES: Final = date(2025, 3, 1)
"""First day of the reorganised ministries."""


@dataclass(frozen=True, slots=True)
class CatalogueRow:
    """One level-1 code: code, name, last day and successor when closed, certainty mark."""

    code: str
    name: str
    certainty: str
    successor: str = ""
    valid_to: date | None = None


# C4: the mergers our sources of law name themselves, and Lạng Sơn unchanged.
_QUOTED: Final = frozenset({"H17", "H20", "H25", "H37", "H40", "H42", "H47", "H58"})

NAMELESS: Final = ("G31", "G32", "G35", "G38", "G39")
"""Codes of the list of QĐ 09/2025 whose holders we could not read (rules C4): not seeded."""


def _sure(code: str, otherwise: str) -> str:
    return "Q" if code in _QUOTED else otherwise


def _open(certainty: str, *pairs: tuple[str, str]) -> tuple[CatalogueRow, ...]:
    return tuple(CatalogueRow(code, name, _sure(code, certainty)) for code, name in pairs)


def _closed(first_day_after: date, *rows: tuple[str, str, str]) -> tuple[CatalogueRow, ...]:
    last_day = date.fromordinal(first_day_after.toordinal() - 1)
    return tuple(
        CatalogueRow(code, name, _sure(code, "M"), successor, last_day)
        for code, name, successor in rows
    )


MINISTRIES: Final = _open(
    "Q",
    ("G01", "Bộ Công an"),
    ("G02", "Bộ Công Thương"),
    ("G03", "Bộ Giáo dục và Đào tạo"),
    ("G06", "Bộ Khoa học và Công nghệ"),
    ("G08", "Bộ Ngoại giao"),
    ("G09", "Bộ Nội vụ"),
    ("G10", "Bộ Nông nghiệp và Môi trường"),
    ("G11", "Bộ Quốc phòng"),
    ("G12", "Bộ Tài chính"),
    ("G15", "Bộ Tư pháp"),
    ("G16", "Bộ Văn hóa, Thể thao và Du lịch"),
    ("G17", "Bộ Xây dựng"),
    ("G18", "Bộ Y tế"),
    ("G19", "Ngân hàng Nhà nước Việt Nam"),
    ("G20", "Thanh tra Chính phủ"),
    ("G21", "Bộ Dân tộc và Tôn giáo"),
    ("G22", "Văn phòng Chính phủ"),
    ("G27", "Đài Tiếng nói Việt Nam"),
    ("G28", "Đài Truyền hình Việt Nam"),
    ("G30", "Thông tấn xã Việt Nam"),
) + _closed(
    MERGED_MINISTRIES,
    ("G04", "Bộ Giao thông vận tải", "G17"),
    ("G05", "Bộ Kế hoạch và Đầu tư", "G12"),
    ("G07", "Bộ Lao động - Thương binh và Xã hội", "G09"),
    ("G13", "Bộ Tài nguyên và Môi trường", "G10"),
    ("G14", "Bộ Thông tin và Truyền thông", "G06"),
)
"""Ministries and bodies of the Government (rules C4)."""

PROVINCES: Final = _open(
    "M",
    ("H01", "UBND tỉnh An Giang"),
    ("H05", "UBND tỉnh Bắc Ninh"),
    ("H12", "UBND tỉnh Cà Mau"),
    ("H13", "UBND thành phố Cần Thơ"),
    ("H14", "UBND tỉnh Cao Bằng"),
    ("H15", "UBND tỉnh Đắk Lắk"),
    ("H17", "UBND thành phố Đà Nẵng"),
    ("H18", "UBND tỉnh Điện Biên"),
    ("H19", "UBND tỉnh Đồng Nai"),
    ("H20", "UBND tỉnh Đồng Tháp"),
    ("H21", "UBND tỉnh Gia Lai"),
    ("H24", "UBND thành phố Hải Phòng"),
    ("H26", "UBND thành phố Hà Nội"),
    ("H27", "UBND tỉnh Hà Tĩnh"),
    ("H29", "UBND Thành phố Hồ Chí Minh"),
    ("H31", "UBND tỉnh Hưng Yên"),
    ("H32", "UBND tỉnh Khánh Hòa"),
    ("H35", "UBND tỉnh Lai Châu"),
    ("H36", "UBND tỉnh Lâm Đồng"),
    ("H37", "UBND tỉnh Lạng Sơn"),
    ("H38", "UBND tỉnh Lào Cai"),
    ("H41", "UBND tỉnh Nghệ An"),
    ("H42", "UBND tỉnh Ninh Bình"),
    ("H44", "UBND tỉnh Phú Thọ"),
    ("H48", "UBND tỉnh Quảng Ngãi"),
    ("H49", "UBND tỉnh Quảng Ninh"),
    ("H50", "UBND tỉnh Quảng Trị"),
    ("H52", "UBND tỉnh Sơn La"),
    ("H53", "UBND tỉnh Tây Ninh"),
    ("H55", "UBND tỉnh Thái Nguyên"),
    ("H56", "UBND tỉnh Thanh Hóa"),
    ("H57", "UBND thành phố Huế"),
    ("H60", "UBND tỉnh Tuyên Quang"),
    ("H61", "UBND tỉnh Vĩnh Long"),
)
"""The 34 provincial People's Committees since 1 July 2025 (rules C4)."""

CLOSED_PROVINCES: Final = _closed(
    MERGED_PROVINCES,
    ("H02", "UBND tỉnh Bắc Giang", "H05"),
    ("H03", "UBND tỉnh Bắc Kạn", "H55"),
    ("H04", "UBND tỉnh Bạc Liêu", "H12"),
    ("H06", "UBND tỉnh Bà Rịa - Vũng Tàu", "H29"),
    ("H07", "UBND tỉnh Bến Tre", "H61"),
    ("H08", "UBND tỉnh Bình Định", "H21"),
    ("H09", "UBND tỉnh Bình Dương", "H29"),
    ("H10", "UBND tỉnh Bình Phước", "H19"),
    ("H11", "UBND tỉnh Bình Thuận", "H36"),
    ("H16", "UBND tỉnh Đắk Nông", "H36"),
    ("H22", "UBND tỉnh Hà Giang", "H60"),
    ("H23", "UBND tỉnh Hải Dương", "H24"),
    ("H25", "UBND tỉnh Hà Nam", "H42"),
    ("H28", "UBND tỉnh Hòa Bình", "H44"),
    ("H30", "UBND tỉnh Hậu Giang", "H13"),
    ("H33", "UBND tỉnh Kiên Giang", "H01"),
    ("H34", "UBND tỉnh Kon Tum", "H48"),
    ("H39", "UBND tỉnh Long An", "H53"),
    ("H40", "UBND tỉnh Nam Định", "H42"),
    ("H43", "UBND tỉnh Ninh Thuận", "H32"),
    ("H45", "UBND tỉnh Phú Yên", "H15"),
    ("H46", "UBND tỉnh Quảng Bình", "H50"),
    ("H47", "UBND tỉnh Quảng Nam", "H17"),
    ("H51", "UBND tỉnh Sóc Trăng", "H13"),
    ("H54", "UBND tỉnh Thái Bình", "H31"),
    ("H58", "UBND tỉnh Tiền Giang", "H20"),
    ("H59", "UBND tỉnh Trà Vinh", "H61"),
    ("H62", "UBND tỉnh Vĩnh Phúc", "H44"),
    ("H63", "UBND tỉnh Yên Bái", "H38"),
)
"""Provinces closed by the mergers of 1 July 2025, each with its successor."""

NATIONAL_LEVEL1: Final = MINISTRIES + PROVINCES + CLOSED_PROVINCES
"""Every level-1 code we know of."""


def national_agencies(hop: str = "") -> tuple[Agency, ...]:
    """Return the level-1 catalogue as agencies, each with its old-notation code.

    Args:
        hop: Name of the next hop towards the open ones, `vxp` for the national axis; "" leaves
            them not connected.
    Source: ID-05, ID-07.
    """
    return tuple(
        Agency(
            code=row.code,
            name=row.name,
            status=AgencyStatus.CLOSED if row.valid_to else AgencyStatus.ACTIVE,
            valid_to=row.valid_to,
            successor=row.successor,
            hop="" if row.valid_to else hop,
            legacy_code=f"000.00.00.{row.code}",
        )
        for row in NATIONAL_LEVEL1
    )


def listed_level1() -> tuple[Listed, ...]:
    """Return the level-1 catalogue as a list to be compared and reviewed (`vanlien agency seed`).

    Nobody's next hop is said: that is the operator's.

    Source: ID-05, ID-07.
    """
    return tuple(
        Listed(
            row.code,
            {
                "name": row.name,
                "legacy_code": f"000.00.00.{row.code}",
                **(
                    {
                        "status": "closed",
                        "valid_to": row.valid_to,
                        "successors": [(row.successor, None, None)],
                    }
                    if row.valid_to
                    else {"status": "active"}
                ),
            },
        )
        for row in NATIONAL_LEVEL1
    )


def to_confirm() -> tuple[Remark, ...]:
    """Return what an operator must check against the published annex before relying on it."""
    known = (r for r in NATIONAL_LEVEL1 if r.certainty != "Q")
    rows = tuple(
        Remark(
            row.code,
            "ID-07",
            f"Cần xác nhận theo phụ lục đã công bố: {row.name}"
            + (f", kế thừa {row.successor}." if row.successor else "."),
            "To be confirmed in the published annex" + _heir(row.successor),
        )
        for row in known
    )
    return (*rows, *(_nameless(code) for code in NAMELESS))


def _heir(successor: str) -> str:
    return f"; successor {successor}." if successor else "."


def _nameless(code: str) -> Remark:
    return Remark(
        code,
        "ID-07",
        "Có trong QĐ 09/2025/QĐ-TTg nhưng chưa rõ đơn vị; cần xác nhận, không đưa vào.",
        "In QĐ 09/2025/QĐ-TTg, its holder not known here; to be confirmed, left out.",
    )
