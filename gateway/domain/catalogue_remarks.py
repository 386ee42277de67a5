"""What is said of the rows of a list of agencies, for people: one function a remark. Pure."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to look at: a conflict keeps its row out of the plan, a warning does not."""

    code: str
    rule: str
    vi: str
    en: str


def twice(code: str, heir: str = "") -> Remark:
    """Say that a code, or its successor `heir`, stands twice."""
    if heir:
        return Remark(
            code, "ID-05", f"Mã kế thừa {heir} ghi hai lần.", f"The successor {heir} stands twice."
        )
    return Remark(
        code,
        "ID-01",
        "Có hai lần trong danh sách; giữ một dòng.",
        "Stands twice in the list; keep one row.",
    )


def malformed(code: str) -> Remark:
    """Say that a code is none."""
    return Remark(
        code,
        "ID-03",
        "Mã sai cấu trúc; sửa lại trong danh sách.",
        "Malformed code; correct the list.",
    )


def nameless(code: str) -> Remark:
    """Say that a new agency has no name."""
    return Remark(code, "ID-06", "Cơ quan mới thiếu tên.", "A new agency needs a name.")


def backwards(code: str, since: str, until: str, heir: str = "") -> Remark:
    """Say that a term, or the succession to `heir`, ends before it begins."""
    of = f"Kế thừa {heir}: " if heir else ""
    of_en = f"The succession to {heir}: " if heir else ""
    return Remark(
        code,
        "ID-05",
        f"{of}hết hiệu lực ({until}) trước khi có hiệu lực ({since}).",
        f"{of_en}ends ({until}) before it begins ({since}).",
    )


def renumbered(code: str, other: str) -> Remark:
    """Say that a code left while one of the same name and parent came: perhaps one agency."""
    return Remark(
        code,
        "ID-05",
        f"Vắng trong danh sách, còn {other} mới có cùng tên: nếu là đổi mã, đóng {code} với đơn vị "
        f"kế thừa {other}.",
        f"Not in the list, while the new {other} has the same name: if its code changed, close "
        f"{code} with the successor {other}.",
    )


def taken(code: str, name: str, owner: str) -> Remark:
    """Say that a name is another agency's."""
    # ID-01, ID-04: each code one agency, also through old codes and aliases.
    return Remark(
        code,
        "ID-01",
        f"Mã {name} đang là của {owner}; không chuyển cho cơ quan khác.",
        f"The code {name} means {owner}; it is not given to another agency.",
    )


def reopened(code: str) -> Remark:
    """Say that a closed code stays closed."""
    return Remark(
        code,
        "ID-05",
        "Mã đã đóng ở đây mà danh sách ghi đang hoạt động; giữ nguyên là đã đóng.",
        "Closed here, open in the list; it stays closed.",
    )


def not_theirs(code: str, peer: str) -> Remark:
    """Say that the list speaks of whom it may not."""
    return Remark(
        code,
        "ID-06",
        f"Cơ quan không nằm sau {peer}; danh sách của bên đó không sửa được.",
        f"The agency is not behind {peer}; that peer's list does not change it.",
    )


def garbled(code: str) -> Remark:
    """Say that a name is damaged."""
    return Remark(
        code,
        "FMT-06",
        "Tên có ký tự hỏng; kiểm tra bảng mã của tệp.",
        "The name has broken characters; check the file's encoding.",
    )


def nobody(code: str, heir: str) -> Remark:
    """Say that a successor is unknown."""
    return Remark(
        code,
        "ID-05",
        f"Đơn vị kế thừa {heir} không có trong danh mục và danh sách.",
        f"The successor {heir} is neither in the catalogue nor in the list.",
    )


def circle(code: str, vi: str, en: str) -> Remark:
    """Say that links run in a circle."""
    return Remark(
        code, "ID-05", f"{vi} của {code} quay vòng.", f"The {en} of {code} run in a circle."
    )


def no_parent(code: str, parent: str) -> Remark:
    """Say that a parent is unknown."""
    return Remark(
        code,
        "ID-06",
        f"Cấp trên {parent} không có trong danh mục.",
        f"The body above, {parent}, is not in the catalogue.",
    )
