"""The remarks of a verification report: one table of stable codes with both languages.

Codes are part of the report's contract; texts may be reworded. Placeholders are filled with facts
of the file, shortened and freed of control characters: they are a stranger's words.
"""

import unicodedata
from typing import Final

from gateway.trust.report import Note

_MAX_FACT: Final = 120

# SIG-47: the result is told in Vietnamese, with what to do next.
TEXTS: Final[dict[str, tuple[str, str]]] = {
    # ------------------------------------------------ the file
    "not-a-pdf": (
        "Tệp không phải PDF; chỉ PDF mang chữ ký số kiểm tra được. Yêu cầu gửi lại bản PDF.",
        "Not a PDF; only a PDF carries a signature that can be verified. Ask for the PDF.",
    ),
    "unreadable-pdf": (
        "Không đọc được cấu trúc PDF ({detail}). Yêu cầu gửi lại tệp nguyên vẹn.",
        "The PDF's structure cannot be read ({detail}). Ask for an undamaged file.",
    ),
    "empty-file": (
        "Tệp rỗng. Yêu cầu gửi lại.",
        "The file is empty. Ask for it again.",
    ),
    "unsupported-signature-kind": (
        "Tệp có chữ ký kiểu {detail}, hệ thống chưa kiểm tra được kiểu này.",
        "The file carries a {detail} signature, a kind not verified here.",
    ),
    "too-large": (
        "Tệp lớn hơn giới hạn kiểm tra ({detail}); chưa kiểm tra chữ ký.",
        "The file is over the verification limit ({detail}); signatures not verified.",
    ),
    "verifier-failed": (
        "Tiến trình kiểm tra bị dừng ({detail}); chưa xác định được. Chuyển cán bộ kỹ thuật.",
        "The verifier was stopped ({detail}); no conclusion. Pass it to a technician.",
    ),
    "encrypted": (
        "PDF đặt mật khẩu nên không kiểm tra được. Yêu cầu gửi bản không đặt mật khẩu.",
        "The PDF is encrypted and cannot be verified. Ask for one without a password.",
    ),
    "encrypted-open": (
        "PDF mã hóa bằng mật khẩu rỗng; vẫn đọc được.",
        "The PDF is encrypted with the empty password; read all the same.",
    ),
    "read-leniently": (
        "Cấu trúc PDF không đúng chuẩn chặt ({detail}); đã đọc theo cách nới lỏng.",
        "The PDF breaks the strict form ({detail}); it was read leniently.",
    ),
    "empty-field": (
        "Có {detail} ô chữ ký để trống.",
        "{detail} signature fields are empty.",
    ),
    "only-timestamps": (
        "Tệp chỉ có dấu thời gian, không có chữ ký của người hay cơ quan.",
        "The file holds time-stamps only, no signature of a person or agency.",
    ),
    "hidden-signature": (
        (
            "Có chữ ký từng nằm trong tệp nhưng bản hiện tại không còn nhận (bị gỡ hoặc che giấu). "
            "Hỏi đơn vị gửi."
        ),
        (
            "A signature once in the file is not listed by its present state (removed or hidden). "
            "Ask the sender."
        ),
    ),
    "unreadable-after-signature": (
        "Phần nối thêm sau vùng ký làm hỏng tệp; chỉ kiểm tra được bản tại lúc ký.",
        "What was appended after the signed part breaks the file; only the signed state was read.",
    ),
    "too-many-signatures": (
        "Quá nhiều chữ ký (hơn {detail}); phần còn lại không kiểm tra.",
        "Too many signatures (over {detail}); the rest was not verified.",
    ),
    "page-text-unread": (
        "Không đọc được chữ của trang 1 ({detail}); chưa dò được dấu độ mật.",
        "The text of page 1 could not be read ({detail}); secrecy stamps were not looked for.",
    ),
    "no-trust": (
        "Chưa nạp chứng thư gốc tin cậy nào; mọi chữ ký đều chưa xác định được.",
        "No trust anchor is loaded; no signature can be concluded.",
    ),
    "trust-broken": (
        (
            "Tệp {detail} của kho chứng thư có lỗi nên tạm thời không gốc nào được tin; mọi chữ ký "
            "chưa xác định được. Quản trị hệ thống chạy `vanlien trust check` rồi sửa."
        ),
        (
            "{detail} of the trust folder is faulty, so no anchor is trusted for now and no "
            "signature can be concluded. An administrator runs `vanlien trust check` and mends it."
        ),
    ),
    "two-certifications": (
        "Tệp có hai chữ ký chứng thực (DocMDP); chuẩn chỉ cho phép một. Không tiếp nhận.",
        "The file is certified twice (DocMDP); only one certification is allowed. Do not accept.",
    ),
    "late-certification": (
        "Chữ ký chứng thực (DocMDP) không phải chữ ký đầu tiên của tệp.",
        "The certifying signature (DocMDP) is not the first of the file.",
    ),
    "active-content": (
        "Tệp có thành phần tự chạy ({detail}); nội dung hiển thị có thể thay đổi khi mở.",
        "The file has parts that act by themselves ({detail}); what it shows may change.",
    ),
    "embedded-files": (
        "Tệp có đính kèm tệp khác bên trong; chữ ký (nếu có) của các tệp đó không được kiểm tra.",
        "Other files are attached inside; their signatures, if any, were not verified.",
    ),
    "no-second-look": (
        "Cần đối chiếu cách hiển thị bằng chương trình thứ hai (Poppler) nhưng máy chưa cài.",
        "A second viewer (Poppler) was wanted to compare what is shown, but is not installed.",
    ),
    "viewers-disagree": (
        (
            "Hai chương trình đọc PDF hiển thị khác nhau: người khác có thể thấy nội dung khác. "
            "Hỏi đơn vị gửi."
        ),
        "Two PDF viewers do not show the same: others may see other content. Ask the sender.",
    ),
    "parts-unsigned": (
        "Trong tệp nén có tệp không có chữ ký số: {detail}.",
        "Files in the archive carry no digital signature: {detail}.",
    ),
    "part-not-examined": (
        "Tệp «{detail}» trong tệp nén chưa được kiểm tra.",
        "The file “{detail}” in the archive was not examined.",
    ),
    "damaged-archive": (
        "Không đọc được tệp nén ({detail}). Yêu cầu gửi lại tệp nguyên vẹn.",
        "The archive cannot be read ({detail}). Ask for an undamaged file.",
    ),
    # ------------------------------------------------ one signature: integrity
    "content-changed": (
        "Nội dung đã bị thay đổi sau khi ký. Không tiếp nhận; yêu cầu gửi lại.",
        "The content was changed after signing. Do not accept; ask for it again.",
    ),
    "crypto-failure": (
        "Chữ ký không khớp với khóa trong chứng thư. Không tiếp nhận.",
        "The signature does not match the key of its certificate. Do not accept.",
    ),
    "format-failure": (
        "Cấu trúc chữ ký sai chuẩn, không đọc được ({detail}). Yêu cầu ký lại.",
        "The signature is malformed and cannot be read ({detail}). Ask for a new one.",
    ),
    "unsupported-subfilter": (
        "Kiểu chữ ký {detail} chưa kiểm tra được.",
        "The signature kind {detail} is not verified here.",
    ),
    "byte-range": (
        "Vùng ký không phủ đúng phần còn lại của tệp (dấu hiệu tráo nội dung). Không tiếp nhận.",
        (
            "The signed range does not cover all but its own value (a mark of wrapping). "
            "Do not accept."
        ),
    ),
    "hidden-padding": (
        "Có dữ liệu lạ giấu sau giá trị chữ ký.",
        "Foreign data is hidden after the signature value.",
    ),
    "unlisted-object": (
        (
            "Sau vùng ký có đối tượng không nằm trong bảng tham chiếu (tấn công lưu nối thêm). "
            "Không tiếp nhận."
        ),
        (
            "Objects that no table lists follow the signed part (incremental-saving attack). "
            "Do not accept."
        ),
    ),
    "unexplained-bytes": (
        "Có dữ liệu lạ sau vùng ký, không thuộc bản cập nhật nào (từ byte {detail}).",
        "Bytes after the signed part belong to no update (from byte {detail}).",
    ),
    # ------------------------------------------------ one signature: later changes
    "docmdp-violated": (
        "Tệp bị sửa trái với mức cho phép của người chứng thực. Không tiếp nhận.",
        "The file was changed against what its certifier permits. Do not accept.",
    ),
    "page-changed": (
        "Nội dung trang đã bị sửa sau khi ký. Không tiếp nhận; yêu cầu gửi lại.",
        "Page content was changed after signing. Do not accept; ask for it again.",
    ),
    "changed-before-next": (
        "Tệp được sửa sau chữ ký này và trước chữ ký sau; chữ ký sau phủ bản đã sửa.",
        "The file was changed after this signature and before the next, which covers the change.",
    ),
    "unclassified-change": (
        "Có thay đổi sau khi ký không phân loại được.",
        "There are later changes that could not be classified.",
    ),
    "annotations-reordered": (
        "Sau khi ký, thứ tự vẽ các chú thích trên trang bị đổi: cái bị che có thể hiện ra.",
        "After signing, annotations are drawn in another order: what was hidden may show.",
    ),
    "form-defaults-changed": (
        "Sau khi ký, cách hiển thị các ô biểu mẫu bị đổi; giá trị đã ký có thể hiện khác đi.",
        "After signing, the look of form fields was changed; signed values may show otherwise.",
    ),
    "unsigned-look": (
        "Sau khi ký, một ô chưa ai ký được vẽ thêm lên trang; phần này không ai chịu trách nhiệm.",
        "After signing, a field that nobody signed was drawn onto the page; nobody vouches for it.",
    ),
    "words-covered": (
        "Hình của một chữ ký sau che nội dung trang đã ký. Xem lại bản mà chữ ký này đã ký.",
        "The picture of a later signature covers signed words. See what this signature signed.",
    ),
    "look-unknown": (
        "Không kiểm tra được hình của chữ ký sau có che nội dung hay không.",
        "It could not be told whether the picture of a later signature covers the content.",
    ),
    "not-analysed": (
        "Không phân tích được thay đổi sau khi ký ({detail}).",
        "Later changes could not be analysed ({detail}).",
    ),
    "fields-filled": (
        "Ô biểu mẫu được điền hoặc sửa sau khi ký: {detail}.",
        "Form fields were filled or changed after signing: {detail}.",
    ),
    # ------------------------------------------------ one signature: trust and time
    "no-chain": (
        "Không nối được tới chứng thư gốc tin cậy. Kiểm tra danh sách CA.",
        "No chain to a trust anchor. Check the list of authorities.",
    ),
    "no-revocation": (
        "Chưa có thông tin thu hồi (CRL/OCSP) đủ mới. Cập nhật CRL rồi kiểm tra lại.",
        "No revocation information (CRL/OCSP) fresh enough. Update the CRLs and verify again.",
    ),
    "revoked": (
        "Chứng thư đã bị thu hồi (ngày {detail}). Hỏi đơn vị gửi; không coi là hợp lệ.",
        "The certificate is revoked (on {detail}). Ask the sender; not to be taken as valid.",
    ),
    "wrong-usage": (
        "Chứng thư không được dùng để ký văn bản. Hỏi đơn vị gửi.",
        "The certificate is not meant for signing documents. Ask the sender.",
    ),
    "weak-algorithm": (
        "Thuật toán yếu (SHA-1, MD5 hoặc khóa RSA dưới 2048 bit). Yêu cầu ký lại.",
        "Weak algorithm (SHA-1, MD5, or RSA under 2048 bits). Ask for a new signature.",
    ),
    "not-yet-valid": (
        "Chứng thư chưa có hiệu lực tại thời điểm xét.",
        "The certificate was not yet valid at the time in question.",
    ),
    "expired": (
        "Chứng thư đã hết hạn; không đủ bằng chứng ký và không bị thu hồi trong thời hạn.",
        "The certificate has expired, without proof of signing and of not being revoked in time.",
    ),
    "stamped-late": (
        "Dấu thời gian được cấp ngoài thời hạn của chứng thư ký.",
        "The time-stamp was given outside the validity of the signing certificates.",
    ),
    "not-yet-signed": (
        "Thời điểm kiểm tra ({detail}) trước lúc ký.",
        "The verification time ({detail}) is before the signing.",
    ),
    "timestamp-unproven": (
        "Dấu thời gian chưa tin được ({detail}); thời gian ký chưa được chứng minh.",
        "The time-stamp is not trusted ({detail}); the signing time is not proven.",
    ),
    "claimed-time": (
        "Thời gian ký do người ký tự khai, chưa được xác thực.",
        "The signing time is claimed by the signer and not proven.",
    ),
    "claimed-differs": (
        "Thời gian tự khai ({detail}) lệch xa thời gian được chứng minh.",
        "The claimed time ({detail}) is far from the proven one.",
    ),
    "local-time-as-utc": (
        "Thời gian tự khai ghi giờ Việt Nam như giờ UTC (lệch 7 giờ).",
        "The claimed time is Vietnam time written as UTC (seven hours off).",
    ),
    "name-differs": (
        "Tên ghi trong ô chữ ký ({detail}) khác tên trong chứng thư; chỉ tin chứng thư.",
        "The name beside the signature ({detail}) is not the certificate's; trust the certificate.",
    ),
    "timestamp-required": (
        "Chính sách yêu cầu dấu thời gian tin cậy; chữ ký này không có.",
        "The policy demands a trusted time-stamp; this signature has none.",
    ),
    "unknown-refused": (
        "Chính sách không chấp nhận chứng thư chưa rõ tình trạng thu hồi.",
        "The policy does not accept a certificate of unknown revocation status.",
    ),
    "anchor-window": (
        "Chứng thư gốc ({detail}) không còn hoặc chưa được tin cậy tại thời điểm ký.",
        "The trust anchor ({detail}) was not trusted at the time of signing.",
    ),
    "long-lifetime": (
        "Thời hạn chứng thư ({detail} ngày) dài hơn mức cho phép.",
        "The certificate's lifetime ({detail} days) is longer than allowed.",
    ),
    "odd-key": (
        "Khóa trong chứng thư được mã hóa sai chuẩn; không kiểm tra được chữ ký.",
        "The key of a certificate is encoded against the standard; the signature cannot be judged.",
    ),
    "sha1-imprint": (
        "Dấu thời gian dùng hàm băm cũ (SHA-1) cho dấu vân chữ ký.",
        "The time-stamp's imprint uses an old digest (SHA-1).",
    ),
    "stamp-outside-validity": (
        "Dấu thời gian được cấp ngoài thời hạn chứng thư của máy chủ cấp dấu ({detail}).",
        "The time-stamp was given outside the validity of its authority's certificate ({detail}).",
    ),
    "tsa-before-claimed": (
        "Đồng hồ máy chủ dấu thời gian chậm hơn thời gian người ký ghi {detail} phút.",
        "The time-stamp is {detail} minutes before the time the signer wrote.",
    ),
    "clock-differs": (
        "Thời gian người ký ghi sớm hơn dấu thời gian {detail} phút.",
        "The signer wrote a time {detail} minutes before the time-stamp.",
    ),
    "too-many-certificates": (
        "Chữ ký mang quá nhiều chứng thư (hơn {detail}); không xét.",
        "The signature carries too many certificates (over {detail}); not judged.",
    ),
    "other-problem": (
        "Chưa xác định được ({detail}). Chuyển cán bộ kỹ thuật.",
        "No conclusion ({detail}). Pass it to a technician.",
    ),
    # ------------------------------------------------ XML signatures
    "xml-malformed": (
        "XML sai cú pháp ({detail}). Yêu cầu gửi lại tệp nguyên vẹn.",
        "Not well-formed XML ({detail}). Ask for an undamaged file.",
    ),
    "xml-doctype": (
        "XML có khai báo DOCTYPE hoặc thực thể, không được phép; không đọc. Yêu cầu xuất lại.",
        "The XML carries a DOCTYPE or entities, which is not allowed. Ask for a clean export.",
    ),
    "xml-encoding": (
        "Bảng mã {detail} không được dùng; yêu cầu xuất lại bằng UTF-8.",
        "Encoding {detail} is not allowed; ask for an export as UTF-8.",
    ),
    "xml-too-complex": (
        "XML vượt giới hạn kiểm tra ({detail}); chưa kiểm tra chữ ký.",
        "The XML is over the verification limits ({detail}); signatures not verified.",
    ),
    "xml-not-verifiable": (
        (
            "Khối Signature của gói tin không phải chữ ký XML thật: không kiểm chứng được. "
            "Dựa vào chữ ký số trong tệp đính kèm."
        ),
        (
            "The packet's Signature block is no real XML signature: not verifiable. "
            "Rely on the signatures inside the attachments."
        ),
    ),
    "xml-wrapping": (
        (
            "Phần được ký không nằm ở chỗ hệ thống đọc, hoặc có phần trùng tên không được ký "
            "(dấu hiệu tráo nội dung): {detail}. Không tiếp nhận."
        ),
        (
            "What was signed is not what a program reads, or an unsigned element bears the same "
            "name (a mark of wrapping): {detail}. Do not accept."
        ),
    ),
    "xml-partial": (
        "Chữ ký không phủ hết nội dung; phần không được ký: {detail}.",
        "The signature does not cover all content; not signed: {detail}.",
    ),
    "xml-part-signed": (
        "Chữ ký phủ phần {detail}; ngoài ra tệp chỉ có khung và chữ ký.",
        "The signature covers {detail}; besides, the file holds only its frame and signatures.",
    ),
    "xml-nothing-signed": (
        "Chữ ký không phủ nội dung nào của tệp này.",
        "The signature covers no content of this file.",
    ),
    "xml-unsigned-object": (
        "Trong chữ ký có phần nội dung không được ký ({detail}).",
        "The signature holds content that is not signed ({detail}).",
    ),
    "xml-duplicate-id": (
        "Mã Id «{detail}» dùng cho nhiều phần tử: không biết phần nào được ký. Không tiếp nhận.",
        "The Id “{detail}” names more than one element: which was signed? Do not accept.",
    ),
    "xml-reference-not-found": (
        "Không tìm thấy phần được ký ({detail}).",
        "What the signature refers to is not there ({detail}).",
    ),
    "xml-external-reference": (
        "Chữ ký trỏ ra ngoài tệp ({detail}); hệ thống không tải gì từ bên ngoài.",
        "The signature points outside the file ({detail}); nothing is fetched.",
    ),
    "xml-forbidden-transform": (
        "Chữ ký đòi phép biến đổi không được phép ({detail}); không kiểm tra.",
        "The signature asks for a transform that is not allowed ({detail}); not verified.",
    ),
    "xml-forbidden-algorithm": (
        "Thuật toán ký không được phép ({detail}); không kiểm tra.",
        "The signature algorithm is not allowed ({detail}); not verified.",
    ),
    "xml-key-confusion": (
        "Dùng khóa công khai như khóa bí mật chung ({detail}): ai cũng tạo được. Không tiếp nhận.",
        "A public key used as a shared secret ({detail}): anyone can make it. Do not accept.",
    ),
    "xml-too-many-references": (
        "Chữ ký trỏ tới quá nhiều phần ({detail}); không kiểm tra.",
        "The signature has too many references ({detail}); not verified.",
    ),
    "xml-too-many-transforms": (
        "Chữ ký có quá nhiều phép biến đổi ({detail}); không kiểm tra.",
        "A reference has too many transforms ({detail}); not verified.",
    ),
    "xml-two-readings": (
        "Nội dung được ký có thể hiểu theo hai cách ({detail}); chưa xác định được.",
        "What was signed can be read in two ways ({detail}); no conclusion.",
    ),
    "xml-no-certificate": (
        "Chữ ký không kèm chứng thư; khóa trần không nói lên ai ký.",
        "The signature carries no certificate; a bare key does not tell who signed.",
    ),
    "xml-key-mismatch": (
        "Khóa ghi trong chữ ký khác khóa của chứng thư. Không tiếp nhận.",
        "The key written in the signature is not the certificate's. Do not accept.",
    ),
    "xml-key-unread": (
        "Không đọc được khóa ghi cạnh chứng thư để đối chiếu.",
        "The key written beside the certificate cannot be read for comparison.",
    ),
    "xml-countersignatures": (
        "Có {detail} chữ ký xác nhận (countersignature); chưa kiểm tra.",
        "{detail} countersignatures are there; not verified.",
    ),
    "xml-time-without-zone": (
        "Thời gian người ký ghi không có múi giờ; không dùng.",
        "The signer's time has no time zone; not used.",
    ),
    "xades-unsigned": (
        "Thuộc tính XAdES (người ký, thời gian) không được chính chữ ký bảo vệ.",
        "The XAdES properties (signer, time) are not protected by the signature.",
    ),
    "xades-certificate-differs": (
        "Chứng thư kèm theo không phải chứng thư mà chữ ký nêu.",
        "The certificate beside the signature is not the one the signature names.",
    ),
    "xades-archive": (
        "Có dấu thời gian lưu trữ XAdES; chưa kiểm tra.",
        "There is a XAdES archive time-stamp; not verified.",
    ),
}


def no_anchor(broken: str) -> Note:
    """Return the remark that nobody is trusted; `broken` names the faulty control file, or ""."""
    return note("trust-broken", broken) if broken else note("no-trust")


def clean(text: object, most: int = _MAX_FACT) -> str:
    """Return a stranger's words fit to print: one line, no control or direction marks, short.

    Args:
        text: What the stranger wrote.
        most: Characters at most.
    """
    composed = unicodedata.normalize("NFC", str(text))
    kept = "".join(
        " " if c.isspace() else c
        for c in composed
        if c.isspace() or unicodedata.category(c)[0] != "C"
    )
    short = " ".join(kept.split())
    return short if len(short) <= most else short[: most - 1] + "…"


def note(code: str, detail: object = "") -> Note:
    """Return a remark of the table.

    Args:
        code: A key of `TEXTS`.
        detail: What stands for `{detail}`, cleaned.
    """
    vi, en = TEXTS[code]
    fact = str(detail) if detail == "" else clean(detail)
    return Note(code, vi.replace("{detail}", fact), en.replace("{detail}", fact))
