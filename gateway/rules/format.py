"""FMT-01…FMT-07: file formats by name and by first bytes, and the Vietnamese character set.

Names and media types are hints: a file is what its bytes say. Executables, scripts and
macro-enabled types are refused both ways; other breaches refuse outgoing documents and warn about
incoming ones. Texts are compared composed (NFC) and never changed. Pure.
"""

import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from gateway.domain.finding import Finding, Severity
from gateway.rules.facts import MESSAGE_HEADER, Facts, FileFacts
from gateway.rules.registry import rule
from gateway.rules.sniff import EXECUTABLE_KINDS

_OFFICE_ZIP: Final = frozenset({"ooxml", "zip"})
_ODF: Final = frozenset({"odf", "zip"})
_TEXT: Final = frozenset({"text"})

# FMT-01…FMT-05: what the bytes of an extension look like, and the rule that lists it.
_KINDS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "pdf": ("FMT-04", frozenset({"pdf", "pdf-late"})),
    "doc": ("FMT-02", frozenset({"ole2", "rtf"})),
    "docx": ("FMT-02", _OFFICE_ZIP | {"ole2"}),
    "odt": ("FMT-02", _ODF),
    "txt": ("FMT-02", _TEXT | {"xml"}),
    "rtf": ("FMT-02", frozenset({"rtf"})),
    "xls": ("FMT-03", frozenset({"ole2"})),
    "xlsx": ("FMT-03", _OFFICE_ZIP | {"ole2"}),
    "ods": ("FMT-03", _ODF),
    "csv": ("FMT-03", _TEXT),
    "png": ("FMT-05", frozenset({"png"})),
    "jpg": ("FMT-05", frozenset({"jpeg"})),
    "jpeg": ("FMT-05", frozenset({"jpeg"})),
    "tif": ("FMT-05", frozenset({"tiff"})),
    "tiff": ("FMT-05", frozenset({"tiff"})),
    "gif": ("FMT-05", frozenset({"gif"})),
    "bmp": ("FMT-05", frozenset({"bmp"})),
    "svg": ("FMT-05", frozenset({"svg", "xml", "text"})),
    "dwg": ("FMT-05", frozenset({"dwg"})),
    "shp": ("FMT-05", frozenset({"shp"})),
    "zip": ("FMT-05", frozenset({"zip", "ooxml", "odf"})),
}

# Characters that turn the direction of writing: `gpj.exe` shown as `exe.jpg`.
_BIDI: Final = re.compile("[\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_MACRO_PARTS: Final = ("vbaproject.bin", "vbadata.xml")


@rule("FMT-05", source="S003 art 4.3đ; default deny ours")
def no_executables(facts: Facts) -> Iterator[Finding]:
    """Refuse executables, scripts, macro-enabled types and disguised names, in both directions."""
    for file in facts.files or ():
        reason = _dangerous(file, facts.policy.denied)
        if reason is not None:
            vi, en = reason
            yield Finding(
                "FMT-05",
                Severity.ERROR,
                file.where,
                f"Tệp “{_shown(file)}” {vi}. Bỏ tệp này rồi gửi lại.",
                f"The file “{_shown(file)}” {en}. Leave it out and send again.",
                "R06",
            )


def _dangerous(file: FileFacts, denied: frozenset[str]) -> tuple[str, str] | None:
    if file.kind in EXECUTABLE_KINDS:
        return "là chương trình hoặc mã lệnh", "is a program or a script"
    if file.extension in denied:
        return (
            f"có phần mở rộng .{file.extension}, không bao giờ được phép",
            f"has the extension .{file.extension}, which is never allowed",
        )
    if any(name.lower().endswith(_MACRO_PARTS) for name in file.zip_names):
        return "chứa macro", "contains macros"
    if _BIDI.search(file.name):
        return (
            "có tên chứa ký tự đảo chiều chữ, có thể giả phần mở rộng",
            "has a name with characters that turn the writing, which may fake its extension",
        )
    return None


@rule("FMT-02", source="S003 art 4.3")
def allowed_formats(facts: Facts) -> Iterator[Finding]:
    """Ask for formats of the list, by extension and by first bytes."""
    for file in facts.files or ():
        if not file.size_bytes or _dangerous(file, facts.policy.denied) is not None:
            continue
        extension = file.extension
        if extension not in facts.policy.allowed:
            yield Finding(
                _KINDS.get(extension, ("FMT-05", _TEXT))[0],
                facts.required,
                file.where,
                f"Tệp “{_shown(file)}” có định dạng "
                f"{'.' + extension if extension else 'không rõ'}, ngoài danh mục được phép. "
                "Chuyển sang PDF hoặc định dạng trong danh mục.",
                f"The file “{_shown(file)}” has the format "
                f"{'.' + extension if extension else 'unknown'}, which is not on the list. "
                "Convert it to PDF or a listed format.",
                "R06",
            )
            continue
        known = _KINDS.get(extension)
        # The main document's PDF header is FMT-01's matter.
        if known is None or file.kind in known[1] or (file.index == 0 and extension == "pdf"):
            continue
        yield Finding(
            known[0],
            facts.required,
            file.where,
            f"Tệp “{_shown(file)}” không phải .{extension}: nội dung là {file.kind}. "
            "Kiểm tra và đính kèm đúng tệp.",
            f"The file “{_shown(file)}” is not a .{extension}: its bytes are {file.kind}. "
            "Check and attach the right file.",
            "R06",
        )


@rule("FMT-01", source="S003 art 4.3a")
def main_document_is_pdf(facts: Facts) -> Iterator[Finding]:
    """Ask that a main document called PDF is one; warn when it is another format."""
    if not facts.files or not facts.files[0].size_bytes:
        return
    main = facts.files[0]
    if main.extension == "pdf" and main.kind not in {"pdf", "pdf-late"}:
        yield Finding(
            "FMT-01",
            facts.required,
            main.where,
            f"Văn bản chính “{_shown(main)}” không phải tệp PDF (thiếu %PDF-). Đính kèm đúng tệp.",
            f"The main document “{_shown(main)}” is no PDF (no %PDF-). Attach the right file.",
            "R06",
        )
    elif main.kind == "pdf-late":
        yield Finding(
            "FMT-01",
            Severity.WARNING,
            main.where,
            f"Văn bản chính “{_shown(main)}” có dữ liệu lạ trước %PDF-. Xuất lại tệp PDF.",
            f"The main document “{_shown(main)}” has other bytes before %PDF-. Export it again.",
        )
    elif main.extension != "pdf":
        yield Finding(
            "FMT-01",
            Severity.WARNING,
            main.where,
            f"Văn bản chính “{_shown(main)}” không phải PDF nên không ký số được; "
            "chỉ có giá trị tham khảo.",
            f"The main document “{_shown(main)}” is not a PDF, so it cannot be signed; "
            "it is for reference only.",
        )


def _shown(file: FileFacts) -> str:
    return _BIDI.sub("\N{REPLACEMENT CHARACTER}", file.name)[:80]


# ---------------------------------------------------------------- character set

_TEXT_FIELDS: Final = (
    ("subject", "Subject"),
    ("content", "Content"),
    ("type_name", "DocumentType/TypeName"),
    ("place", "PromulgationInfo/Place"),
    ("code_notation", "Code/CodeNotation"),
)

# Everything ordinary Vietnamese text is made of, composed; anything else gets a closer look.
_ORDINARY: Final = re.compile(
    "[\\t\\n\\r\u0020-\u007e\u00a0"
    "ÀÁÂÃÈÉÊÌÍÒÓÔÕÙÚÝàáâãèéêìíòóôõùúýĂăĐđĨĩŨũƠơƯư\u1ea0-\u1ef9"
    "\u2010-\u2015\u2018-\u201d\u2022\u2026₫°²³×§№]*"
)
_TCVN3: Final = re.compile(
    "[A-Za-z\u00c0-\u00ff][µ¸¶·¹¨»¾¼½©ª«¬Æ]|®[A-Za-z\u00b5-\u00ff]|[A-Za-z][ÖÜÞß][a-z]"
)
_VNI: Final = re.compile("[aeouyAEOUYöÖôÔ][øùûïäåØÙÛÏÄÅ]|ñ[aeoui]")
_MOJIBAKE: Final = re.compile(
    "á»[\u0080-\u00bf\u2010-\u203a]|áº[\u0080-\u00bf\u2010-\u203a]|Ã[\u00a0-\u00bf]|Æ°"
)
_CONTROL: Final = re.compile("[\u0080-\u009f\ufffd]")
_PRIVATE: Final = re.compile("[\ue000-\uf8ff\U000f0000-\U0010fffd]")
_LONE_MARK: Final = re.compile("(?:^|[\\s\\d.,;:/()-])[\u0300-\u036f]")


def text_fault(text: str) -> tuple[str, str] | None:
    """Return what is wrong with the characters of a text, Vietnamese and English; None if nothing.

    Source: FMT-06 (TCVN 6909:2001, that is Unicode).
    """
    if text.isascii() or _ORDINARY.fullmatch(text):
        return None
    composed = unicodedata.normalize("NFC", text)
    if _PRIVATE.search(composed):
        return "có ký tự vùng riêng (private use)", "holds private-use characters"
    if _MOJIBAKE.search(composed):
        return "bị giải mã UTF-8 sai", "was decoded as something else than UTF-8"
    if _CONTROL.search(composed):
        return "có ký tự hỏng hoặc mã VISCII", "holds broken characters or VISCII"
    if len(_TCVN3.findall(composed)) >= 2:
        return "giống bảng mã TCVN3 (ABC)", "looks like TCVN3 (ABC)"
    if len(_VNI.findall(composed)) >= 2:
        return "giống bảng mã VNI", "looks like VNI"
    if _LONE_MARK.search(composed):
        return "có dấu thanh đứng riêng", "holds combining marks with nothing to stand on"
    return None


@rule("FMT-06", source="S003 art 4.2 (TCVN 6909:2001)")
def character_set(facts: Facts) -> Iterator[Finding]:
    """Warn of texts that are not Unicode Vietnamese."""
    header = facts.envelope.header
    for name, path in _TEXT_FIELDS:
        fault = text_fault(getattr(header, name))
        if fault is not None:
            yield _character_finding(f"{MESSAGE_HEADER}/{path}", *fault)
    if header.signer is not None:
        fault = text_fault(header.signer.full_name)
        if fault is not None:
            yield _character_finding(f"{MESSAGE_HEADER}/SignerInfo/FullName", *fault)
    fault = text_fault(header.sender.organ_name)
    if fault is not None:
        yield _character_finding(f"{MESSAGE_HEADER}/From/OrganName", *fault)


def _character_finding(where: str, vi: str, en: str) -> Finding:
    name = where.rpartition("/")[2]
    return Finding(
        "FMT-06",
        Severity.WARNING,
        where,
        f"{name} {vi}. Dùng phông và bảng mã Unicode (TCVN 6909:2001).",
        f"{name} {en}. Use Unicode (TCVN 6909:2001).",
        "R13",
    )


@rule("FMT-07", source="TCVN 6909:2001")
def composed_form(facts: Facts) -> Iterator[Finding]:
    """Note texts in combining form: read and compared composed, kept as they came."""
    header = facts.envelope.header
    for name, path in _TEXT_FIELDS:
        text = getattr(header, name)
        if not text.isascii() and not unicodedata.is_normalized("NFC", text):
            yield Finding(
                "FMT-07",
                Severity.NOTE,
                f"{MESSAGE_HEADER}/{path}",
                f"{path.rpartition('/')[2]} viết bằng dấu tổ hợp; khi so sánh được đổi sang "
                "dựng sẵn, nội dung giữ nguyên.",
                f"{path.rpartition('/')[2]} is written with combining marks; it is compared in "
                "composed form and kept as it came.",
            )
