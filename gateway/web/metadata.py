"""The `metadata` part of a form submission: JSON to a Header, every fault at once.

Only the shape is judged here (types, names, dates, what XML can carry): whether a document may be
sent is for the rules, which see every way in. Pure.
"""

import re
import unicodedata
from datetime import date
from enum import IntEnum
from typing import Annotated, Any, Final, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from gateway.domain import envelope
from gateway.domain.envelope import BusinessType, Urgency
from gateway.domain.finding import Finding, Severity
from gateway.errors import Reason, RejectedError

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E", bound=IntEnum)

_NOT_XML: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")

URGENCY_NAMES: Final[dict[str, Urgency]] = {
    "normal": Urgency.NORMAL,
    "thường": Urgency.NORMAL,
    "urgent": Urgency.URGENT,
    "khẩn": Urgency.URGENT,
    "very-urgent": Urgency.VERY_URGENT,
    "thượng khẩn": Urgency.VERY_URGENT,
    "express": Urgency.EXPRESS,
    "hỏa tốc": Urgency.EXPRESS,
    "hoả tốc": Urgency.EXPRESS,
    "express-timed": Urgency.EXPRESS_TIMED,
    "hỏa tốc hẹn giờ": Urgency.EXPRESS_TIMED,
    "hoả tốc hẹn giờ": Urgency.EXPRESS_TIMED,
}
BUSINESS_NAMES: Final[dict[str, BusinessType]] = {
    "new": BusinessType.NEW,
    "recall": BusinessType.RECALL,
    "update": BusinessType.UPDATE,
    "replace": BusinessType.REPLACE,
}

# ---------------------------------------------------------------- values


def _speakable(value: str) -> str:
    # FMT-06 (S003 art 4.2): text is Unicode; what XML 1.0 cannot carry could never be sent.
    if _NOT_XML.search(value):
        raise PydanticCustomError("text_controls", "Text holds control characters")
    return value


def _code(table: dict[str, E], kind: type[E]) -> BeforeValidator:
    """Return a reader of a code given as number or as name."""

    def read(value: object) -> E:
        if isinstance(value, str):
            found = table.get(unicodedata.normalize("NFC", value).strip().casefold())
            if found is not None:
                return found
        elif isinstance(value, int) and not isinstance(value, bool) and value in set(kind):
            return kind(value)
        names = ", ".join(name for name in table if name.isascii())
        raise PydanticCustomError(
            "code",
            "Must be a number from 0 to {most} or one of {names}",
            {"most": max(kind).value, "names": names},
        )

    return BeforeValidator(
        read,
        json_schema_input_type=Annotated[
            int | str, Field(examples=[next(iter(table))], description=" | ".join(table))
        ],
    )


def _as_organization(value: object) -> object:
    return {"organ_id": value} if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(_speakable)]
Named = Annotated[str, Field(min_length=1), AfterValidator(_speakable)]
Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
UrgencyCode = Annotated[Urgency, _code(URGENCY_NAMES, Urgency)]
BusinessCode = Annotated[BusinessType, _code(BUSINESS_NAMES, BusinessType)]


class _Part(BaseModel):
    """Strict types, unknown keys refused by name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class OrganizationIn(_Part):
    """Cơ quan, tổ chức: its code (`H37.02`), or an object with its particulars."""

    organ_id: Annotated[Named, Field(examples=["H37.02"])]
    organization_in_charge: Text = ""
    organ_name: Text = ""
    organ_add: Text = ""
    email: Text = ""
    telephone: Text = ""
    fax: Text = ""
    website: Text = ""

    def to_domain(self) -> envelope.Organization:
        """Return the domain value."""
        return envelope.Organization(**self.model_dump())


class SignerIn(_Part):
    """Người ký: thẩm quyền (TM., KT., TL., TUQ., Q.), chức vụ, họ tên."""

    competence: Text = ""
    position: Text = ""
    full_name: Text = ""


class ResponseForIn(_Part):
    """Văn bản được trả lời hoặc thu hồi: the document this one answers or recalls."""

    organ_id: Text = ""
    code: Text = ""
    document_id: Text = ""
    promulgation_date: date | None = None


class StaffIn(_Part):
    """Cán bộ thực hiện: the person acting."""

    department: Text = ""
    department_id: Text = ""
    staff: Text = ""
    staff_id: Text = ""
    email: Text = ""
    mobile: Text = ""


class ReceiverIn(_Part):
    """One changed recipient: 0 removed, 1 added."""

    organ_id: Named
    receiver_type: Annotated[int | None, Field(ge=0, le=1)] = None


class ReplacementIn(_Part):
    """Văn bản bị thay thế: one replaced document and the recipients it concerned."""

    document_id: Named
    organ_ids: list[Text] = []


class BusinessIn(_Part):
    """Nghiệp vụ: new (default), recall, update or replace, and of which document."""

    doc_type: BusinessCode = BusinessType.NEW
    document_id: Text = ""
    reason: Text = ""
    paper: Annotated[int | None, Field(ge=0, le=1)] = None
    document_info: Annotated[int | None, Field(ge=0, le=1)] = None
    document_receiver: Annotated[int | None, Field(ge=0, le=1)] = None
    receivers: list[ReceiverIn] = []
    replacements: list[ReplacementIn] = []
    staff: StaffIn | None = None

    def to_domain(self) -> envelope.Business:
        """Return the domain value."""
        return envelope.Business(
            doc_type=self.doc_type,
            document_id=self.document_id,
            reason=self.reason,
            paper=self.paper,
            document_info=self.document_info,
            document_receiver=self.document_receiver,
            receivers=tuple(envelope.Receiver(**r.model_dump()) for r in self.receivers),
            replacements=tuple(
                envelope.Replacement(r.document_id, tuple(r.organ_ids)) for r in self.replacements
            ),
            staff=envelope.StaffInfo(**self.staff.model_dump()) if self.staff else None,
        )


class Metadata(_Part):
    """Thông tin văn bản: the fields of the edXML header, names as in the gateway's own answers."""

    sender: Annotated[OrganizationIn, BeforeValidator(_as_organization)]
    recipients: Annotated[
        list[Annotated[OrganizationIn, BeforeValidator(_as_organization)]], Field(min_length=1)
    ]
    document_id: Text = ""
    code_number: Text = ""
    code_notation: Text = ""
    place: Text = ""
    promulgation_date: date | None = None
    type_code: Count | None = None
    type_detail: Count | None = None
    type_name: Text = ""
    subject: Text = ""
    content: Text = ""
    signer: SignerIn | None = None
    due_date: date | None = None
    urgency: UrgencyCode = Urgency.NORMAL
    sphere: Text = ""
    typer_notation: Text = ""
    promulgation_amount: Count | None = None
    page_amount: Count | None = None
    reply_fors: Text = ""
    direction: bool | None = None
    reference_codes: Text = ""
    appendixes: list[Text] = []
    response_for: list[ResponseForIn] = []
    steering_type: Count | None = None
    task_codes: list[Text] = []
    application_type: Text = ""
    to_places: list[Text] = []
    business: BusinessIn = BusinessIn()
    # SEC-01 (S003 art 1.2): declared here so that what is secret is set apart, not hidden.
    secrecy: Annotated[int, Field(ge=0, le=3)] = 0

    def to_header(self) -> envelope.Header:
        """Return the header; `secrecy` travels beside it (`SubmitOptions.secrecy`)."""
        plain = self.model_dump(
            exclude={"sender", "recipients", "signer", "response_for", "business", "secrecy"}
        )
        for name in ("appendixes", "task_codes", "to_places"):
            plain[name] = tuple(plain[name])
        return envelope.Header(
            sender=self.sender.to_domain(),
            recipients=tuple(each.to_domain() for each in self.recipients),
            signer=envelope.Signer(**self.signer.model_dump()) if self.signer else None,
            response_for=tuple(
                envelope.ResponseFor(**each.model_dump()) for each in self.response_for
            ),
            business=self.business.to_domain(),
            **plain,
        )


class StatusIn(_Part):
    """Trạng thái xử lý: the business status an agency reports, reason obligatory for 02 and 16.

    Taking (03…06) a document whose verification is `indeterminate` needs `undetermined_reason`.
    """

    code: Annotated[str, Field(pattern=r"^(02|03|04|05|06|15|16)$", examples=["03"])]
    reason: Annotated[str, Field(max_length=1000), AfterValidator(_speakable)] = ""
    undetermined_reason: Annotated[
        str,
        Field(
            max_length=1000,
            description="Vì sao tiếp nhận khi chữ ký chưa xác định được / why it is taken though "
            "its signatures are undetermined (F09); recorded",
        ),
        AfterValidator(_speakable),
    ] = ""
    decided_by: Annotated[
        str,
        Field(max_length=200, description="Người quyết định / who decided; recorded"),
        AfterValidator(_speakable),
    ] = ""


# ---------------------------------------------------------------- faults

_SAID: Final[dict[str, tuple[str, str]]] = {
    "missing": ("Thiếu trường bắt buộc", "A required field is missing"),
    "extra_forbidden": (
        "Không có trường tên này; kiểm tra chính tả hoặc xem /openapi.json",
        "There is no field of this name; check its spelling, or see /openapi.json",
    ),
    "string_type": ("Phải là chuỗi ký tự", "Must be text"),
    "string_too_short": ("Không được để trống", "Must not be empty"),
    "string_too_long": ("Quá dài", "Too long"),
    "string_pattern_mismatch": ("Mã không hợp lệ", "Not one of the codes taken here"),
    "int_type": ("Phải là số nguyên", "Must be a whole number"),
    "bool_type": ("Phải là true hoặc false", "Must be true or false"),
    "list_type": ("Phải là một danh sách", "Must be a list"),
    "model_type": ("Phải là một đối tượng", "Must be an object"),
    "model_attributes_type": ("Phải là một đối tượng", "Must be an object"),
    "too_short": ("Cần ít nhất một phần tử", "Needs at least one element"),
    "greater_than_equal": ("Số quá nhỏ", "The number is too small"),
    "less_than_equal": ("Số quá lớn", "The number is too large"),
    "text_controls": (
        "Có ký tự điều khiển, không thể nằm trong gói tin; hãy bỏ đi",
        "Holds control characters, which no packet can carry; remove them",
    ),
}
_DATE: Final = (
    "Ngày phải viết dạng YYYY-MM-DD, ví dụ 2026-01-31",
    "A date must be written YYYY-MM-DD, such as 2026-01-31",
)


def _pointer(loc: tuple[int | str, ...]) -> str:
    """Return the place as a JSON pointer (RFC 6901), shortened, without what cannot be shown."""
    steps = (str(step).replace("~", "~0").replace("/", "~1") for step in loc)
    path = "".join(f"/{step}" for step in steps)[:200]
    return "".join(c if c.isprintable() else "?" for c in path)


def _rule(fault: ErrorDetails) -> str:
    if fault["loc"][:1] == ("secrecy",):
        return "SEC-01"
    match fault["type"]:
        case "missing" | "too_short" | "string_too_short":
            return "MD-01"
        case "text_controls":
            return "FMT-06"
        case _:
            return "MD-10"


def _finding(fault: ErrorDetails) -> Finding:
    kind = fault["type"]
    if kind == "code":
        en = fault["msg"]
        vi = en.replace("Must be a number from", "Phải là số từ").replace("to", "đến", 1)
        vi = vi.replace("or one of", "hoặc một trong")
    elif kind.startswith("date"):
        vi, en = _DATE
    else:
        vi, en = _SAID.get(kind, ("Giá trị không hợp lệ", fault["msg"]))
    return Finding(_rule(fault), Severity.ERROR, _pointer(fault["loc"]), vi, en)


def read_json(model: type[M], data: bytes, what: str) -> M:
    """Return a model read from JSON.

    Args:
        model: What it must be.
        data: The bytes.
        what: Its name for messages, `metadata`.

    Raises:
        RejectedError: MALFORMED when it is not JSON; else RULES_BROKEN with a finding per fault,
            `where` being a JSON pointer. No value is repeated.
    """
    try:
        return model.model_validate_json(data)
    except ValidationError as exc:
        faults = exc.errors(include_url=False, include_input=False)
    except RecursionError as exc:
        raise RejectedError(Reason.MALFORMED, f"The {what} is nested too deep") from exc
    if any(fault["type"] == "json_invalid" for fault in faults):
        raise RejectedError(
            Reason.MALFORMED,
            f"The {what} is not valid JSON in UTF-8",
            findings=(
                Finding("MD-10", Severity.ERROR, "", "Không phải JSON hợp lệ", "Not valid JSON"),
            ),
        )
    raise RejectedError(
        Reason.RULES_BROKEN,
        f"The {what} has {len(faults)} fault(s); each is among the findings",
        findings=tuple(_finding(fault) for fault in faults[:100]),
    )


def schema_examples() -> dict[str, dict[str, Any]]:
    """Return an example of each request model for the OpenAPI document."""
    return {
        "Metadata": {
            "sender": "H37.02",
            "recipients": ["H37.05", {"organ_id": "G22", "organ_name": "Văn phòng Chính phủ"}],
            "code_number": "15",
            "code_notation": "UBND-VP",
            "place": "Lạng Sơn",
            "promulgation_date": "2026-01-31",
            "type_code": 2,
            "type_name": "Công văn",
            "subject": "Về việc báo cáo kết quả liên thông văn bản",
            "signer": {"competence": "TM.", "position": "Chủ tịch", "full_name": "Nguyễn Văn A"},
            "urgency": "hỏa tốc",
        },
        "StatusIn": {"code": "02", "reason": "Gửi nhầm nơi nhận"},
    }
