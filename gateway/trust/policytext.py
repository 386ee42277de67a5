"""The built-in policy as a commented file to start from: `vanlien trust policy --print`.

A test holds it together with `gateway.trust.policy.BUILT_IN`; its hash is the built-in policy's.
"""

from typing import Final

TEXT: Final = """\
# Chính sách kiểm tra chữ ký số / Policy for the verification of signatures.
# Đặt trong thư mục chứng thư tin cậy với tên policy.toml. Sửa xong: vanlien trust check
# Put it into the trust folder as policy.toml. After a change: vanlien trust check
# Ngày không có giờ là giờ Việt Nam; "until" tính đến hết ngày đó.
# A day without a time is Vietnam's; "until" includes that day.

name = "TT15"
dated = 2025-01-01

# SIG-48: thuật toán băm. Thuật toán không nêu thì không được chấp nhận; MD5 không bao giờ.
# Digests. What is not named is not accepted; MD5 never is.
[[digest]]
name = "sha256"

[[digest]]
name = "sha384"

[[digest]]
name = "sha512"

[[digest]]
name = "sha3_256"

[[digest]]
name = "sha3_384"

[[digest]]
name = "sha3_512"

[[digest]]
name = "shake256"

# Văn bản cũ: chấp nhận SHA-1 khi có dấu thời gian tin cậy chứng minh ký trước hết ngày này.
# Old documents: accept SHA-1 where a trusted time-stamp proves it was signed by this day.
# [[digest]]
# name = "sha1"
# until = 2016-12-31

# Độ dài khóa nhỏ nhất / Smallest keys.
[[rsa]]
bits = 2048

# [[rsa]]
# bits = 1024
# until = 2013-12-31

[ec]
bits = 256

[certificate]
# SIG-41: ít nhất một mục phải có trong chứng thư người ký / at least one must be there.
key_usages = ["digital_signature", "non_repudiation"]
# SIG-06: chứng thư công vụ dài hơn thì có lưu ý; 0 là không xét.
# A duty certificate that lives longer is remarked on; 0 for no limit.
max_lifetime_days = 1827

[evidence]
# SIG-44: "required" thì chữ ký không có dấu thời gian tin cậy không bao giờ hợp lệ.
# With "required" no signature is valid without a trusted time-stamp.
timestamp = "optional"
# SIG-42: chưa rõ tình trạng thu hồi: "indeterminate", hoặc chặt hơn "invalid".
# Revocation status unknown: "indeterminate" or, more strictly, "invalid". Never valid.
unknown = "indeterminate"

[must_sign]
# SIG-01: chữ ký mà văn bản chính phải có, theo thứ tự / signatures the main document needs.
original = ["person", "organization"]

# Xử lý theo bên gửi và kết quả, dòng khớp đầu tiên được dùng. Không dòng nào khớp: văn bản đến chỉ
# đánh dấu, không tự từ chối; văn bản đi theo [policy] của vanlien.toml.
# What happens, by sender and verdict; the first row that fits counts. When none does: incoming is
# flagged and never refused by itself, outgoing goes by [policy] of vanlien.toml.
#   sender:    "*", "H37.02", "H37.*"
#   direction: "in", "out", "*"
#   verdict:   "valid", "mismatch", "incomplete", "invalid", "indeterminate", "unreadable",
#              "unsigned", "*"
#   action:    "accept", "flag", "refuse"
# [[decision]]
# sender = "H37.02"
# direction = "in"
# verdict = ["invalid"]
# action = "refuse"
"""
