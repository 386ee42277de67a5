"""Types of administrative documents with their abbreviations (NĐ30 art 7 and PL III, rules C3).

Data only; a type outside the list is passed on as written.
"""

from typing import Final, NamedTuple


class DocumentType(NamedTuple):
    """Loại văn bản: its name, its abbreviation in notations ("" for none), its English name."""

    vi: str
    mark: str
    en: str


DOCUMENT_TYPES: Final = tuple(
    DocumentType(*row)
    for row in (
        ("Công văn", "", "official letter"),
        ("Quyết định", "QĐ", "decision"),
        ("Thông báo", "TB", "notice"),
        ("Báo cáo", "BC", "report"),
        ("Tờ trình", "TTr", "submission"),
        ("Kế hoạch", "KH", "plan"),
        ("Giấy mời", "GM", "invitation"),
        ("Nghị quyết", "NQ", "resolution"),
        ("Chỉ thị", "CT", "directive"),
        ("Quy chế", "QC", "internal rules"),
        ("Quy định", "QyĐ", "provisions"),
        ("Thông cáo", "TC", "communiqué"),
        ("Hướng dẫn", "HD", "guidance"),
        ("Chương trình", "CTr", "programme"),
        ("Phương án", "PA", "scheme"),
        ("Đề án", "ĐA", "project proposal"),
        ("Dự án", "DA", "project"),
        ("Biên bản", "BB", "minutes"),
        ("Hợp đồng", "HĐ", "contract"),
        ("Công điện", "CĐ", "official telegram"),
        ("Bản ghi nhớ", "BGN", "memorandum"),
        ("Bản thỏa thuận", "BTT", "agreement"),
        ("Giấy ủy quyền", "GUQ", "power of attorney"),
        ("Giấy giới thiệu", "GGT", "letter of introduction"),
        ("Giấy nghỉ phép", "GNP", "leave permit"),
        ("Phiếu gửi", "PG", "dispatch slip"),
        ("Phiếu chuyển", "PC", "transfer slip"),
        ("Phiếu báo", "PB", "notification slip"),
        ("Thư công", "", "official personal letter"),
    )
)
"""All 29 of C3, the most frequent first."""
