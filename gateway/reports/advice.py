"""What a verdict means to a clerk: why, what to do next, who acts, which refusal code to offer.

One row per ETSI sub-indication and one per thing only we know (changes after signing, no signature,
no verifier). Vietnamese first. «thu hồi» also means the recall of a document, so a revoked
certificate is always «chứng thư bị thu hồi». Pure values; a test holds the table against the names
of ETSI EN 319 102-1.
"""

from dataclasses import dataclass
from typing import Final, NamedTuple

TECHNICIAN: Final = "{technician}"
"""Stands for the technician's name and telephone in a sentence."""


class Words(NamedTuple):
    """One text in both languages."""

    vi: str
    en: str


@dataclass(frozen=True, slots=True)
class Advice:
    """One row.

    Args:
        why: What was found, one sentence.
        todo: What to do next; `{technician}` is replaced.
        actor: Who acts: `clerk` (văn thư), `system` or `technician`.
        refusal: Refusal code offered to the clerk (R03, R04, R05), or "" for none.
        own: What to do next about a document one sent oneself; None follows from the rest.
    """

    why: Words
    todo: Words
    actor: str = "clerk"
    refusal: str = ""
    own: Words | None = None

    def to_sender(self) -> Words:
        """Return what to do next, said to who sent the document."""
        if self.own is not None:
            return self.own
        if self.refusal:
            return _MAY_COME_BACK[self.refusal]
        return _SIGN_AGAIN if self.actor == "clerk" else self.todo


REFUSALS: Final = {
    "R03": Words("chữ ký không hợp lệ", "invalid signature"),
    "R04": Words("tài liệu bị sửa đổi", "document altered"),
    "R05": Words(
        "chứng thư hết hạn, bị thu hồi hoặc không tin cậy",
        "certificate expired, revoked or not trusted",
    ),
}

_MAY_COME_BACK: Final = {
    "R03": Words(
        "Nơi nhận có thể trả lại với lý do R03. Ký lại bằng đúng chứng thư ký văn bản, rồi gửi văn "
        "bản thay thế.",
        "Recipients may return it with R03. Sign again with a certificate meant for documents, "
        "and send a replacement.",
    ),
    "R04": Words(
        "Nơi nhận có thể trả lại với lý do R04. Lấy bản đã ký cuối cùng, không sửa gì sau khi ký, "
        "rồi gửi văn bản thay thế.",
        "Recipients may return it with R04. Take the last signed copy, change nothing after "
        "signing, and send a replacement.",
    ),
    "R05": Words(
        "Nơi nhận có thể trả lại với lý do R05. Ký lại bằng chứng thư còn hiệu lực, có dấu thời "
        "gian, rồi gửi văn bản thay thế.",
        "Recipients may return it with R05. Sign again with a certificate in force and a "
        "time-stamp, and send a replacement.",
    ),
}
_SIGN_AGAIN: Final = Words(
    "Nơi nhận chưa coi là hợp lệ. Ký lại toàn bộ tệp, không đặt mật khẩu, không sửa gì sau khi ký, "
    "rồi gửi văn bản thay thế.",
    "Recipients will not take it as valid. Sign the whole file again, without a password and with "
    "nothing changed afterwards, and send a replacement.",
)
_FOR_REFERENCE: Final = Words(
    "Nơi nhận chỉ dùng để tham khảo. Cần gửi bản gốc thì ký số, rồi gửi văn bản thay thế.",
    "Recipients use it for reference only. Where an original is needed, sign it and send a "
    "replacement.",
)
_NOTHING: Final = Words("Không cần làm gì.", "Nothing to do.")
_CHECKED_AGAIN: Final = Words(
    "Chưa phải làm gì: hệ thống tự kiểm tra lại khi có dữ liệu và báo kết quả.",
    "Nothing to do yet: the system checks again by itself when data arrives, and tells the result.",
)

_ASK_TECHNICIAN: Final = Words(
    "Chưa coi là hợp lệ. Báo {technician} và gửi kèm báo cáo này.",
    "Not to be taken as valid. Tell the {technician} and hand over this report.",
)
_EXPIRED: Final = Advice(
    Words(
        "Chứng thư đã hết hạn, và không đủ bằng chứng là chữ ký được ký khi chứng thư còn hạn.",
        "The certificate has expired, and it is not proven that the signature was made in time.",
    ),
    Words(
        "Đề nghị bên gửi cung cấp bản có dấu thời gian được cấp khi chứng thư còn hạn, hoặc bản ký "
        "lại. Nếu không có, trả lại với lý do R05.",
        "Ask the sender for a copy time-stamped while the certificate was valid, or for a new "
        "signature. Failing that, return it with R05.",
    ),
    refusal="R05",
)
_WEAK: Final = Advice(
    Words(
        "Chữ ký dùng thuật toán yếu (SHA-1, hoặc khóa RSA dưới 2048 bit), không còn được phép.",
        "The signature uses a weak algorithm (SHA-1, or an RSA key under 2048 bits), no longer "
        "allowed.",
    ),
    Words(
        "Văn bản mới: đề nghị bên gửi ký lại, hoặc trả lại với lý do R03. Văn bản cũ đã lưu: tra "
        "sổ để đối chiếu.",
        "A new document: ask the sender to sign again, or return it with R03. An old one on file: "
        "compare with the register.",
    ),
    refusal="R03",
)
_NO_CHAIN: Final = Advice(
    Words(
        "Không nối được chứng thư của người ký tới chứng thư gốc nào trong danh sách tin cậy.",
        "The signer's certificate leads to no anchor of the trust list.",
    ),
    Words(
        "Chưa coi là hợp lệ: có thể là chứng thư tự tạo hoặc của nơi cấp không được công nhận. Báo "
        "{technician} kiểm tra danh sách tin cậy.",
        "Not to be taken as valid: the certificate may be home-made or of an authority nobody "
        "recognises. Have the {technician} check the trust list.",
    ),
    "technician",
    "R05",
)
_TIME: Final = Words(
    "Bằng chứng về thời gian ký bị thiếu hoặc mâu thuẫn nhau.",
    "The proof of the signing time is missing or contradicts itself.",
)

# ETSI EN 319 102-1: pyHanko's names and the two EU DSS adds.
BY_SUB_INDICATION: Final[dict[str, Advice]] = {
    "OK": Advice(
        Words(
            "Chữ ký hợp lệ; nội dung chưa bị thay đổi kể từ khi ký.",
            "The signature is valid; the content has not been changed since.",
        ),
        Words("Tiếp nhận.", "Accept."),
        own=_NOTHING,
    ),
    "FORMAT_FAILURE": Advice(
        Words(
            "Cấu trúc chữ ký sai chuẩn nên không đọc được.",
            "The signature is malformed and cannot be read.",
        ),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R03 và đề nghị ký lại.",
            "Do not accept. Return it with R03 and ask for a new signature.",
        ),
        refusal="R03",
    ),
    "HASH_FAILURE": Advice(
        Words("Nội dung đã bị thay đổi sau khi ký.", "The content was changed after signing."),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R04 (tài liệu bị sửa đổi) và đề nghị gửi "
            "lại bản đã ký còn nguyên vẹn.",
            "Do not accept. Return it with R04 (document altered) and ask for the untouched "
            "signed copy.",
        ),
        refusal="R04",
    ),
    "SIG_CRYPTO_FAILURE": Advice(
        Words(
            "Chữ ký không khớp với khóa trong chứng thư của người ký.",
            "The signature does not fit the key of the signer's certificate.",
        ),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R03 (chữ ký không hợp lệ).",
            "Do not accept. Return it with R03 (invalid signature).",
        ),
        refusal="R03",
    ),
    "REVOKED": Advice(
        Words(
            "Chứng thư bị thu hồi từ trước khi ký.",
            "The certificate had been revoked before it signed.",
        ),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R05 và đề nghị ký lại bằng chứng thư còn "
            "hiệu lực.",
            "Do not accept. Return it with R05 and ask for a signature with a certificate in "
            "force.",
        ),
        refusal="R05",
    ),
    "NOT_YET_VALID": Advice(
        Words(
            "Chứng thư chưa có hiệu lực vào lúc ký.",
            "The certificate was not yet in force when it signed.",
        ),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R05; đề nghị kiểm tra đồng hồ máy ký rồi "
            "ký lại.",
            "Do not accept. Return it with R05; the sender should check the clock of the signing "
            "machine and sign again.",
        ),
        refusal="R05",
    ),
    "SIG_CONSTRAINTS_FAILURE": Advice(
        Words(
            "Chữ ký thiếu thông tin bắt buộc, hoặc chứng thư không dùng để ký văn bản.",
            "The signature lacks something required, or its certificate is not for documents.",
        ),
        Words(
            "Hỏi bên gửi; đề nghị ký lại bằng đúng chứng thư ký văn bản. Nếu không, trả lại với "
            "lý do R03.",
            "Ask the sender for a signature with a certificate meant for documents. Failing that, "
            "return it with R03.",
        ),
        refusal="R03",
    ),
    "CHAIN_CONSTRAINTS_FAILURE": Advice(
        Words(
            "Chứng thư, hoặc chứng thư của nơi cấp, không được dùng để ký văn bản.",
            "The certificate, or its issuer's, may not be used to sign documents.",
        ),
        Words(
            "Hỏi bên gửi; đề nghị ký lại bằng đúng chứng thư. Nếu không, trả lại với lý do R05.",
            "Ask the sender for a signature with the right certificate. Failing that, return it "
            "with R05.",
        ),
        refusal="R05",
    ),
    "CERTIFICATE_CHAIN_GENERAL_FAILURE": Advice(
        Words(
            "Đã tìm được đường dẫn tới chứng thư gốc nhưng thiếu dữ liệu, thường là danh sách "
            "chứng thư bị thu hồi.",
            "There is a path to an anchor, but data is missing: mostly a certificate revocation "
            "list.",
        ),
        Words(
            "Văn thư chưa phải làm gì: hệ thống tự kiểm tra lại khi có dữ liệu. Quá một ngày làm "
            "việc chưa có kết luận thì báo {technician}.",
            "Nothing for the clerk to do yet: the system checks again by itself. After a working "
            "day without a result, tell the {technician}.",
        ),
        "system",
        own=_CHECKED_AGAIN,
    ),
    "CRYPTO_CONSTRAINTS_FAILURE": _WEAK,
    "CRYPTO_CONSTRAINTS_FAILURE_NO_POE": _WEAK,
    "EXPIRED": _EXPIRED,
    "OUT_OF_BOUNDS_NO_POE": _EXPIRED,
    "OUT_OF_BOUNDS_NOT_REVOKED": _EXPIRED,
    "REVOKED_NO_POE": Advice(
        Words(
            "Chứng thư bị thu hồi, và không có bằng chứng là chữ ký có từ trước lúc đó.",
            "The certificate is revoked, and nothing proves that the signature was made before.",
        ),
        Words(
            "Chưa coi là hợp lệ. Đề nghị bên gửi cung cấp bản có dấu thời gian trước lúc chứng thư "
            "bị thu hồi, hoặc bản ký lại. Nếu không có, trả lại với lý do R05.",
            "Not to be taken as valid. Ask the sender for a copy time-stamped before the "
            "revocation, or for a new signature. Failing that, return it with R05.",
        ),
        refusal="R05",
    ),
    "REVOKED_CA_NO_POE": Advice(
        Words(
            "Chứng thư của nơi cấp bị thu hồi, và không có bằng chứng là chữ ký có từ trước lúc "
            "đó.",
            "The issuer's certificate is revoked, and nothing proves that the signature was made "
            "before.",
        ),
        Words(
            "Chưa coi là hợp lệ. Báo {technician}; đề nghị bên gửi ký lại bằng chứng thư mới.",
            "Not to be taken as valid. Tell the {technician}; ask the sender to sign again with a "
            "new certificate.",
        ),
        "technician",
        "R05",
    ),
    "NO_CERTIFICATE_CHAIN_FOUND": _NO_CHAIN,
    "NO_CERTIFICATE_CHAIN_FOUND_NO_POE": _NO_CHAIN,
    "TRY_LATER": Advice(
        Words(
            "Chưa có thông tin đủ mới để biết chứng thư có bị thu hồi hay không.",
            "There is no information fresh enough to tell whether the certificate is revoked.",
        ),
        Words(
            "Văn thư không phải làm gì: hệ thống tự kiểm tra lại khi có thông tin mới và báo kết "
            "quả. Văn bản khẩn có thể tiếp nhận ngay, ghi rõ lý do.",
            "Nothing for the clerk to do: the system checks again by itself when fresh information "
            "arrives, and tells the result. An urgent document may be taken at once, with the "
            "reason recorded.",
        ),
        "system",
        own=_CHECKED_AGAIN,
    ),
    "NO_POE": Advice(_TIME, _ASK_TECHNICIAN, "technician"),
    "REVOCATION_OUT_OF_BOUNDS_NO_POE": Advice(
        Words(
            "Thông tin về việc chứng thư bị thu hồi không phủ được thời điểm ký.",
            "The revocation information does not reach back to the signing time.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "TIMESTAMP_ORDER_FAILURE": Advice(_TIME, _ASK_TECHNICIAN, "technician"),
    "SIGNED_DATA_NOT_FOUND": Advice(
        Words(
            "Không tìm thấy dữ liệu đã được ký trong tệp.",
            "The data that was signed is not in the file.",
        ),
        Words(
            "Đề nghị bên gửi gửi lại đầy đủ tệp đã ký.",
            "Ask the sender for the complete signed file.",
        ),
    ),
    "NO_SIGNING_CERTIFICATE_FOUND": Advice(
        Words(
            "Không có chứng thư của người ký nên không biết ai ký.",
            "The signer's certificate is missing, so nobody can tell who signed.",
        ),
        Words(
            "Chưa coi là hợp lệ. Đề nghị bên gửi ký lại; cần hỗ trợ thì báo {technician}.",
            "Not to be taken as valid. Ask the sender to sign again; the {technician} can help.",
        ),
    ),
    "SIGNATURE_POLICY_NOT_AVAILABLE": Advice(
        Words(
            "Chữ ký viện dẫn một chính sách ký mà hệ thống không có.",
            "The signature names a signature policy that is not at hand.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "POLICY_PROCESSING_ERROR": Advice(
        Words(
            "Không xử lý được chính sách ký kèm theo chữ ký.",
            "The signature's policy could not be processed.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "GENERIC": Advice(
        Words(
            "Chưa xác định được chữ ký có hợp lệ hay không.", "No conclusion about the signature."
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "UNEXPECTED_ERROR": Advice(
        Words(
            "Chương trình kiểm tra gặp lỗi ngoài dự kiến.",
            "The verifier met an error nobody expected.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
}

_ASK_AGAIN: Final = Words(
    "Chưa coi là hợp lệ. Đề nghị bên gửi gửi lại bản đã ký cuối cùng, không sửa gì thêm.",
    "Not to be taken as valid. Ask the sender for the last signed copy, with nothing added.",
)

# What only we know, or know better than the indication.
BY_CASE: Final[dict[str, Advice]] = {
    "noted": Advice(
        Words(
            "Chữ ký hợp lệ; nội dung chưa bị thay đổi kể từ khi ký, nhưng có điểm cần lưu ý.",
            "The signature is valid and the content unchanged, but there are points to note.",
        ),
        Words("Tiếp nhận; đọc các lưu ý bên dưới.", "Accept; read the notes below."),
        own=Words("Đọc các lưu ý bên dưới.", "Read the notes below."),
    ),
    "timestamp": Advice(
        Words(
            "Dấu thời gian hợp lệ; tài liệu chưa bị thay đổi kể từ lúc đó.",
            "The time-stamp is valid; the document has not been changed since.",
        ),
        Words("Tiếp nhận.", "Accept."),
        own=_NOTHING,
    ),
    "changed": Advice(
        Words(
            "Tệp đã bị sửa sau khi ký theo cách không được phép.",
            "The file was changed after signing in a way that is not allowed.",
        ),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R04 (tài liệu bị sửa đổi) và đề nghị gửi "
            "lại bản đã ký còn nguyên vẹn.",
            "Do not accept. Return it with R04 (document altered) and ask for the untouched "
            "signed copy.",
        ),
        refusal="R04",
    ),
    "changed-unclear": Advice(
        Words(
            "Sau khi ký, tệp có thay đổi không phân loại được; chưa biết nội dung còn nguyên vẹn "
            "hay không.",
            "After signing, the file was changed in a way that could not be classified.",
        ),
        _ASK_AGAIN,
    ),
    "filled": Advice(
        Words(
            "Sau khi ký, có ô biểu mẫu hoặc ghi chú được thêm vào tệp.",
            "After signing, form fields were filled or remarks added.",
        ),
        Words(
            "So bản đang thấy với bản đã ký (tải ở mục «Các lần lưu»). Nếu phần thêm làm đổi nội "
            "dung, trả lại với lý do R04.",
            "Compare what is shown with what was signed (see “Saved states”). If the addition "
            "changes the content, return it with R04.",
        ),
        refusal="R04",
    ),
    "part-signed": Advice(
        Words(
            "Chữ ký chỉ phủ một phần nội dung; phần còn lại không có ai ký.",
            "The signature covers a part of the content; nobody signed the rest.",
        ),
        Words(
            "Chỉ coi phần được ký (nêu bên dưới) là của người ký. Đề nghị bên gửi ký toàn bộ tệp.",
            "Only the signed part (named below) is the signer's. Ask the sender to sign the whole.",
        ),
    ),
    "dummy-block": Advice(
        Words(
            "Khối Signature của gói tin không phải chữ ký thật nên không kiểm chứng được.",
            "The packet's Signature block is no real signature and cannot be verified.",
        ),
        Words(
            "Không cần làm gì: dựa vào chữ ký số trong các tệp đính kèm.",
            "Nothing to do: rely on the signatures inside the attached files.",
        ),
        own=_NOTHING,
    ),
    "not-analysed": Advice(
        Words(
            "Không phân tích được những thay đổi sau khi ký.",
            "What was changed after signing could not be analysed.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "hidden": Advice(
        Words(
            "Trong tệp có chữ ký đã bị gỡ hoặc che giấu ở lần lưu sau.",
            "The file holds a signature that a later state removed or hid.",
        ),
        _ASK_AGAIN,
    ),
    "unsupported": Advice(
        Words(
            "Tệp có chữ ký thuộc kiểu mà hệ thống chưa kiểm tra được.",
            "The file carries a kind of signature that is not verified here.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "invalid": Advice(
        Words("Chữ ký không hợp lệ.", "The signature is invalid."),
        Words(
            "Không tiếp nhận. Trả lại bên gửi với lý do R03 (chữ ký không hợp lệ).",
            "Do not accept. Return it with R03 (invalid signature).",
        ),
        refusal="R03",
    ),
    "indeterminate": Advice(
        Words(
            "Chưa xác định được chữ ký có hợp lệ hay không.",
            "Whether the signature is valid could not be determined.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "only-timestamps": Advice(
        Words(
            "Tệp chỉ có dấu thời gian, không có chữ ký của người hay cơ quan nào.",
            "The file holds time-stamps only, no signature of a person or agency.",
        ),
        Words(
            "Chỉ dùng để tham khảo; cần bản ký số thì hỏi bên gửi.",
            "For reference only; ask the sender if a signed copy is needed.",
        ),
        own=_FOR_REFERENCE,
    ),
    "unsigned": Advice(
        Words(
            "Tệp không có chữ ký số ở bất kỳ lần lưu nào; hình con dấu hay chữ ký (nếu có) chỉ là "
            "hình ảnh.",
            "The file has no digital signature in any of its states; a picture of a seal or "
            "signature is only a picture.",
        ),
        Words(
            "Chỉ dùng để tham khảo; cần bản ký số thì hỏi bên gửi.",
            "For reference only; ask the sender if a signed copy is needed.",
        ),
        own=_FOR_REFERENCE,
    ),
    "unreadable": Advice(
        Words(
            "Không đọc được tệp nên không kiểm tra được chữ ký.",
            "The file cannot be read, so its signatures cannot be verified.",
        ),
        Words("Đề nghị bên gửi gửi lại tệp nguyên vẹn.", "Ask the sender for an undamaged file."),
    ),
    "encrypted": Advice(
        Words(
            "Tệp đặt mật khẩu nên không kiểm tra được chữ ký.",
            "The file is locked with a password, so its signatures cannot be verified.",
        ),
        Words(
            "Đề nghị bên gửi gửi bản không đặt mật khẩu.",
            "Ask the sender for a copy without a password.",
        ),
    ),
    "too-large": Advice(
        Words(
            "Tệp lớn hơn mức hệ thống kiểm tra, nên chữ ký chưa được kiểm tra.",
            "The file is over the limit, so its signatures were not verified.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "verifier-failed": Advice(
        Words(
            "Việc kiểm tra bị dừng giữa chừng, chưa có kết luận.",
            "The verification was stopped midway; there is no conclusion.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "trust-broken": Advice(
        Words(
            "Danh sách tin cậy của hệ thống đang có lỗi nên chưa xác định được; không phải lỗi của "
            "văn bản.",
            "The system's own trust list is faulty, so nothing can be concluded; the document is "
            "not to blame.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "no-trust": Advice(
        Words(
            "Hệ thống chưa có chứng thư gốc tin cậy nào nên chưa xác định được.",
            "The system holds no trust anchor yet, so nothing can be concluded.",
        ),
        _ASK_TECHNICIAN,
        "technician",
    ),
    "parts": Advice(
        Words(
            "Tệp nén: kết luận lấy theo tệp xấu nhất bên trong.",
            "An archive: the worst of the files inside counts.",
        ),
        Words("Xem từng tệp bên dưới.", "See each file below."),
        own=Words("Xem từng tệp bên dưới.", "See each file below."),
    ),
    "pending": Advice(
        Words("Chữ ký đang được kiểm tra.", "The signatures are being verified."),
        Words(
            "Văn thư không phải làm gì: mở lại trang này sau ít phút.",
            "Nothing for the clerk to do: open this page again in a few minutes.",
        ),
        "system",
    ),
}

ACTORS: Final = {
    "clerk": Words("Văn thư", "The clerk"),
    "system": Words("Hệ thống, tự động", "The system, by itself"),
    "technician": Words("Cán bộ kỹ thuật", "The technician"),
}
