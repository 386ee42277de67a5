"""Does a packet follow the strict form? A fast verdict by libxml2, readable errors by xmlschema.

Works on the skeleton, so the cost does not grow with attachments. Schemas are compiled once for
each thread, on first use. Nothing is written; a crash leaves nothing behind.
"""

import re
import threading
from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from lxml import etree

from gateway.codec.layout import Kind
from gateway.codec.split import Skeleton
from gateway.codec.tree import to_xml
from gateway.codec.xmlsafe import parse_small
from gateway.domain.finding import Finding, Severity

if TYPE_CHECKING:
    from xmlschema import XMLSchema
    from xmlschema.validators.exceptions import XMLSchemaValidationError

_FOLDER: Final = "qcvn_102_2016"
_MOST_ERRORS: Final = 100


class _Compiled(threading.local):
    """libxml2 schemas keep their error log: one set for each thread."""

    def __init__(self) -> None:
        self.schemas: dict[Kind, etree.XMLSchema] = {}


_compiled: Final = _Compiled()


def check(skeleton: Skeleton) -> tuple[Finding, ...]:
    """Return everything in which the packet departs from the strict form; empty when it follows.

    Each finding has the XPath, the rule (MD-10 for structure, MD-04 for values) and severity error.
    Whether such an error refuses is the caller's policy: reading is lenient (MD-10).
    """
    root = parse_small(to_xml(skeleton.root).encode())
    if _fast(skeleton.kind).validate(root):
        return ()
    found = []
    for number, error in enumerate(_readable(skeleton.kind).iter_errors(root)):
        if number >= _MOST_ERRORS:
            break
        found.append(_finding(error))
    # The two judges disagree: never silently valid.
    return tuple(dict.fromkeys(found)) or (_disagreement(skeleton.kind, root),)


def _fast(kind: Kind) -> etree.XMLSchema:
    compiled = _compiled.schemas
    if kind not in compiled:
        with resources.as_file(resources.files("schemas") / _FOLDER) as folder:
            compiled[kind] = etree.XMLSchema(file=str(folder / f"{kind}.xsd"))
    return compiled[kind]


@lru_cache(maxsize=2)
def _readable(kind: Kind) -> "XMLSchema":
    from xmlschema import XMLSchema

    with resources.as_file(resources.files("schemas") / _FOLDER) as folder:
        return XMLSchema(str(folder / f"{kind}.xsd"), allow="local", defuse="never")


def _disagreement(kind: Kind, root: etree._Element) -> Finding:
    text = "schema error"
    try:
        _fast(kind).assertValid(root)
    except etree.DocumentInvalid as exc:
        text = _plain(str(exc))
    return Finding(
        "MD-10",
        Severity.ERROR,
        "/edXML",
        f"Gói tin sai cấu trúc: {text}",
        f"The packet does not follow the schema: {text}",
        "R07",
    )


# ---------------------------------------------------------------- errors a clerk can read

_GENERAL: Final = ("hãy sửa theo QCVN 102:2016.", "correct it after QCVN 102:2016.")
_DATE: Final = ("phải là yyyy/MM/dd.", "it must be yyyy/MM/dd.")
_WHOLE: Final = ("phải là số nguyên không âm.", "it must be a whole number, 0 or more.")
_ADVICE: Final = {
    "PromulgationDate": _DATE,
    "DueDate": _DATE,
    "Timestamp": ("phải là yyyy/MM/dd HH:mm:ss.", "it must be yyyy/MM/dd HH:mm:ss."),
    "Type": _WHOLE,
    "TypeDetail": _WHOLE,
    "SteeringType": _WHOLE,
    "PageAmount": _WHOLE,
    "PromulgationAmount": _WHOLE,
    "Paper": _WHOLE,
    "Priority": ("phải là số từ 0 đến 4.", "it must be 0 to 4."),
    "Direction": ("phải là true hoặc false.", "it must be true or false."),
    "BussinessDocType": ("phải là 0, 1, 2 hoặc 3.", "it must be 0, 1, 2 or 3."),
    "OrganId": (
        "phải là mã định danh gồm chữ, số và dấu chấm, tối đa 35 ký tự.",
        "it must be a code of letters, digits and dots, at most 35 characters.",
    ),
    "ContentId": ("phải bắt đầu bằng cid:.", "it must start with cid:."),
    "StatusCode": ("phải gồm đúng hai chữ số.", "it must be two digits."),
}


def _finding(error: "XMLSchemaValidationError") -> Finding:
    from xmlschema.validators.exceptions import XMLSchemaChildrenValidationError

    where = _where(error)
    if isinstance(error, XMLSchemaChildrenValidationError):
        vi, en = _children(error)
        return Finding("MD-10", Severity.ERROR, where, vi, en, "R07")
    name = where.rpartition("/")[2].partition("[")[0]
    value = _value(error)
    advice_vi, advice_en = _ADVICE.get(name, _GENERAL)
    if value:
        vi = f"{name}: giá trị “{value}” không đúng mẫu; {advice_vi}"
        en = f"{name}: the value “{value}” is not of the required form; {advice_en}"
    else:
        vi = f"{name}: để trống hoặc thiếu giá trị; hãy điền hoặc bỏ phần tử này."
        en = f"{name}: empty; fill it in or leave the element out."
    # MD-04 (QĐ28 art 6.4): the form of values follows the national packaging rules.
    return Finding("MD-04", Severity.ERROR, where, vi, en, "R07")


def _where(error: "XMLSchemaValidationError") -> str:
    path = error.path or "/edXML"
    return re.sub(r"\{[^}]*\}|\b(?:edXML|ns[0-9]*|tns):", "", path)


def _children(error: Any) -> tuple[str, str]:
    parent = _plain(str(getattr(error.elem, "tag", "")))
    expected = _expected(error)
    found = _plain(error.invalid_tag or "")
    if not found:
        return (
            f"Trong {parent} thiếu phần tử bắt buộc: {expected}.",
            f"In {parent} a required element is missing: {expected}.",
        )
    if not expected:
        return (
            f"Trong {parent}, phần tử {found} lạ, lặp lại hoặc đứng sai thứ tự.",
            f"In {parent}, the element {found} is unknown, repeated or out of order.",
        )
    vi = (
        f"Trong {parent}, chỗ của {expected} lại là {found}: thiếu {expected}, "
        f"hoặc {found} lạ, lặp lại hay sai thứ tự."
    )
    en = (
        f"In {parent}, {found} stands where {expected} belongs: {expected} is missing, "
        f"or {found} is unknown, repeated or out of order."
    )
    return vi, en


def _expected(error: Any) -> str:
    names = []
    for particle in error.expected or ():
        name = getattr(particle, "local_name", None) or _plain(str(particle))
        if name and name not in names and not str(name).startswith("Xsd"):
            names.append(str(name))
    return ", ".join(names[:8])


def _plain(text: str) -> str:
    return " ".join(re.sub(r"\{[^}]*\}|\b(?:edXML|tns):", "", text).split())[:200]


def _value(error: "XMLSchemaValidationError") -> str:
    if isinstance(error.obj, str):
        return error.obj.strip()[:60]
    return (getattr(error.elem, "text", None) or "").strip()[:60]
