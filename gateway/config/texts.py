"""What is said about a fault of the settings, in both languages. Pure tables and one function.

Every error type that a validator can give has a row; an unknown one falls back to the library's
English, so that a new kind of fault is never silent.
"""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Final

TEXTS: Final[Mapping[str, tuple[str, str]]] = {
    "missing": ("thiếu, bắt buộc phải có", "is required and missing"),
    "string_type": ("phải là chuỗi ký tự", "must be text"),
    "string_too_short": ("không được để trống", "must not be empty"),
    "int_type": ("phải là số nguyên", "must be a whole number"),
    "int_parsing": ("phải là số nguyên", "must be a whole number"),
    "int_from_float": ("phải là số nguyên", "must be a whole number"),
    "float_type": ("phải là số", "must be a number"),
    "float_parsing": ("phải là số", "must be a number"),
    "bool_type": ("phải là true hoặc false", "must be true or false"),
    "bool_parsing": ("phải là true hoặc false", "must be true or false"),
    "tuple_type": ("phải là danh sách", "must be a list"),
    "too_short": ("cần ít nhất {min_length} phần tử", "needs at least {min_length} item(s)"),
    "too_long": ("nhiều nhất {max_length} phần tử", "takes at most {max_length} item(s)"),
    "path_type": ("phải là đường dẫn tệp", "must be a file path"),
    "model_type": ("phải là một bảng", "must be a table"),
    "model_attributes_type": ("phải là một bảng", "must be a table"),
    "greater_than": ("phải lớn hơn {gt}", "must be more than {gt}"),
    "greater_than_equal": ("phải từ {ge} trở lên", "must be {ge} or more"),
    "less_than": ("phải nhỏ hơn {lt}", "must be less than {lt}"),
    "less_than_equal": ("không được quá {le}", "must be {le} or less"),
    "finite_number": ("phải là số hữu hạn", "must be a finite number"),
    "literal_error": ("phải là một trong: {expected}", "must be one of: {expected}"),
    "duration": (
        'phải là khoảng thời gian như "10 s", "500 ms", "1 h 30 m"',
        'must be a duration such as "10 s", "500 ms", "1 h 30 m"',
    ),
    "size": (
        'phải là dung lượng như "512 MiB", "4096 B"',
        'must be a size such as "512 MiB", "4096 B"',
    ),
    "agency_code": (
        "không phải mã định danh (chữ số, chữ hoa, dấu chấm; tối đa 35 ký tự)",
        "is not an agency code (digits, capital letters, dots; at most 35 characters)",
    ),
    "identifier": (
        "phải gồm chữ thường, chữ số, dấu chấm, gạch; bắt đầu bằng chữ hoặc số",
        "must be lower-case letters, digits, dots, dashes, beginning with a letter or digit",
    ),
    "endpoint": (
        "phải là địa chỉ http:// hoặc https://, không kèm tài khoản hay tham số",
        "must be an http:// or https:// address without user or query",
    ),
    "url_path": (
        'phải là đường dẫn như "/truclienthong/v1.0.0", không có dấu / ở cuối',
        'must be a path such as "/truclienthong/v1.0.0", without a / at its end',
    ),
    "host_port": (
        'phải là tên máy hoặc máy:cổng, như "ca.gov.vn" hay "10.1.2.3:80"',
        'must be a host or host:port, such as "ca.gov.vn" or "10.1.2.3:80"',
    ),
    "clamd_address": (
        'phải là "unix:/đường/dẫn" hoặc "tcp:máy:cổng", như "unix:/run/clamav/clamd.ctl"',
        'must be "unix:/path" or "tcp:host:port", such as "unix:/run/clamav/clamd.ctl"',
    ),
    "host_mapping": (
        'phải là tên=địa chỉ hoặc tên=địa chỉ:cổng, như "ca.gov.vn=10.1.2.3:80"',
        'must be name=address or name=address:port, such as "ca.gov.vn=10.1.2.3:80"',
    ),
    "extension": ('phải là phần mở rộng như "pdf"', 'must be a file extension such as "pdf"'),
    "sessions": (
        "các buổi phải theo thứ tự thời gian và không chồng nhau",
        "sessions must be in order and not overlap",
    ),
    "broker_url": (
        'phải có dạng "amqps://tài-khoản@máy:cổng/vhost"',
        'must look like "amqps://user@host:port/vhost"',
    ),
    "broker_password": (
        "không ghi mật khẩu trong địa chỉ: đặt password_file",
        "no password in the address: set password_file",
    ),
    "ledger_url": (
        'phải có dạng "sqlite:///tệp.sqlite" hoặc "postgresql://tài-khoản@máy:cổng/cơ-sở-dữ-liệu"',
        'must look like "sqlite:///file.sqlite" or "postgresql://user@host:port/database"',
    ),
    "ledger_password": (
        "không ghi mật khẩu trong địa chỉ: đặt password_file",
        "no password in the address: set password_file",
    ),
    "schema_name": (
        'phải gồm chữ thường, chữ số, gạch dưới, như "vanlien"',
        'must be lower-case letters, digits, underscores, such as "vanlien"',
    ),
    "bucket_url": (
        'phải có dạng "s3://bucket" hoặc "s3://bucket/tiền-tố"',
        'must look like "s3://bucket" or "s3://bucket/prefix"',
    ),
    "ip_any_network": (
        'phải là dải địa chỉ như "10.20.0.0/16"',
        'must be an address range such as "10.20.0.0/16"',
    ),
    "file_missing": ("không có tệp {path}", "there is no file {path}"),
    "file_kind": ("{path} không phải là tệp", "{path} is not a file"),
    "file_access": ("không đọc được {path}", "{path} cannot be read"),
    "file_open": (
        "mọi người đều đọc được {path}; chạy: chmod 600 {path}",
        "{path} is open to everyone; run: chmod 600 {path}",
    ),
    "folder_missing": ("không có thư mục {path}", "there is no folder {path}"),
    "folder_kind": ("{path} không phải là thư mục", "{path} is not a folder"),
    "folder_access": ("không ghi được vào {path}", "{path} cannot be written"),
}
_DATES: Final = ("phải là ngày như 2026-04-30", "must be a date such as 2026-04-30")
_TIMES: Final = ('phải là giờ như "07:30"', 'must be a time such as "07:30"')


def texts(
    kind: str, context: Mapping[str, Any], given: object, known: Sequence[str], english: str
) -> tuple[str, str]:
    """Return the Vietnamese and English text of one fault.

    Args:
        kind: Error type.
        context: Values for the placeholders.
        given: What stood there; shown unless it is a table or list.
        known: Keys that are known where an unknown one was found.
        english: The library's own text, for a kind without a row.
    """
    if kind == "extra_forbidden":
        return _unknown_key(str(context.get("key", "")), known)
    row = TEXTS.get(kind)
    if row is None and kind.startswith(("date_", "date_from")):
        row = _DATES
    if row is None and kind.startswith("time_"):
        row = _TIMES
    if row is None:
        return f"giá trị sai ({english})", english
    values = {name: _plain(value) for name, value in context.items()}
    en = row[1].format_map(values)
    if isinstance(values.get("expected"), str):
        values["expected"] = str(values["expected"]).replace(" or ", " hoặc ")
    vi = row[0].format_map(values)
    shown = _shown(kind, given)
    return vi + (f"; đang là {shown}" if shown else ""), en + (f"; it is {shown}" if shown else "")


def _unknown_key(key: str, known: Sequence[str]) -> tuple[str, str]:
    near = difflib.get_close_matches(key, known, n=1)
    if near:
        return f"không có khóa này; có phải {near[0]}?", f"is unknown; did you mean {near[0]}?"
    return "không có khóa này", "is unknown"


def _shown(kind: str, given: object) -> str:
    quiet = kind == "missing" or kind.startswith(("file_", "folder_"))
    # What may hold a password is not said again, whatever else is wrong with it.
    secret = isinstance(given, str) and "@" in given
    if quiet or secret or isinstance(given, dict | list | tuple):
        return ""
    text = repr(given) if isinstance(given, str) else str(given)
    return text if len(text) <= 60 else text[:57] + "…"


def _plain(value: object) -> object:
    from datetime import timedelta

    from gateway.config.kinds import show_duration

    return show_duration(value) if isinstance(value, timedelta) else value
