"""Letters of a Bkav client of the SOAP era, written by hand and not by our code.

So that a misreading there does not hide itself: dates dd/MM/yyyy, OrganInCharge, empty lists, MIME
parts of base64 text, the token in Signature/KeyInfo.
"""

import base64

EDOC = "http://www.e-doc.vn/Schema/"
SOAP = {
    "11": "http://schemas.xmlsoap.org/soap/envelope/",
    "12": "http://www.w3.org/2003/05/soap-envelope",
}
MEDIA = {"11": "text/xml", "12": "application/soap+xml"}
PDF = b"%PDF-1.7 noi dung\n%%EOF\n"


def login(organ: str, token: str) -> str:
    return (
        f"<edXML:Signature><edXML:KeyInfo><edXML:OrganId>{organ}</edXML:OrganId>"
        f"<edXML:Token>{token}</edXML:Token></edXML:KeyInfo></edXML:Signature>"
    )


def envelope(header: str, body: str, version: str = "11") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><S:Envelope xmlns:S="{SOAP[version]}" '
        f'xmlns:edXML="{EDOC}" xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<S:Header>{header}</S:Header><S:Body>{body}</S:Body></S:Envelope>"
    ).encode()


def message(sender: str = "H37.02", to: str = "H37.04", number: str = "12") -> str:
    return f"""<edXML:MessageHeader>
 <edXML:From><edXML:OrganId>{sender}</edXML:OrganId><edXML:OrganInCharge>UBND tỉnh</edXML:OrganInCharge>
  <edXML:OrganName>Sở Nội vụ</edXML:OrganName><edXML:OrganAdd/><edXML:Email/><edXML:Telephone/>
  <edXML:Fax/><edXML:Website/></edXML:From>
 <edXML:To><edXML:OrganId>{to}</edXML:OrganId><edXML:OrganName>Sở Tài chính</edXML:OrganName></edXML:To>
 <edXML:Code><edXML:CodeNumber>{number}</edXML:CodeNumber>
  <edXML:CodeNotation>SNV-VP</edXML:CodeNotation></edXML:Code>
 <edXML:PromulgationInfo><edXML:Place>Lạng Sơn</edXML:Place>
  <edXML:PromulgationDate>21/11/2026</edXML:PromulgationDate></edXML:PromulgationInfo>
 <edXML:DocumentType><edXML:Type>2</edXML:Type><edXML:TypeName>Công văn</edXML:TypeName></edXML:DocumentType>
 <edXML:Subject>Về việc thử &lt;nghiệm&gt;</edXML:Subject><edXML:Content/>
 <edXML:SignerInfo><edXML:FullName>Nguyễn Văn An</edXML:FullName></edXML:SignerInfo>
 <edXML:DueDate/><edXML:ToPlaces/><edXML:OtherInfo><edXML:Priority>0</edXML:Priority></edXML:OtherInfo>
 <edXML:DocumentId>{sender},2026/11/21,{number}/SNV-VP</edXML:DocumentId>
</edXML:MessageHeader>
<edXML:TraceHeaderList><edXML:TraceHeader><edXML:OrganId>{sender}</edXML:OrganId>
 <edXML:Timestamp>21/11/2026 08:00:00</edXML:Timestamp></edXML:TraceHeader></edXML:TraceHeaderList>
<edXML:ErrorList/>"""


def manifest(*cids: str) -> str:
    lines = "".join(
        f'<edXML:Reference xlink:href="cid:{cid}"><edXML:AttachmentName>{cid}.pdf'
        "</edXML:AttachmentName><edXML:ContentType>application/pdf</edXML:ContentType>"
        "</edXML:Reference>"
        for cid in cids
    )
    return f'<edXML:Manifest edXML:version="1.0">{lines}</edXML:Manifest>'


def part(cid: str, data: bytes, encoding: str = "binary", **more: str) -> bytes:
    lines = [f"Content-ID: <{cid}>", "Content-Type: application/pdf"]
    lines += [f"Content-Transfer-Encoding: {encoding}"] if encoding else []
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def text_part(cid: str, data: bytes) -> bytes:
    return part(cid, base64.encodebytes(data).replace(b"\n", b"\r\n"))


def related(root: bytes, *parts: bytes, version: str = "11", boundary: str = "b") -> bytes:
    first = f"Content-Type: {MEDIA[version]}; charset=UTF-8\r\nContent-ID: <root>\r\n\r\n".encode()
    whole = [first + root, *parts]
    mark = f"--{boundary}".encode()
    return b"".join(mark + b"\r\n" + one + b"\r\n" for one in whole) + mark + b"--\r\n"


def multipart_type(version: str = "11", boundary: str = "b") -> str:
    return f'multipart/related; boundary={boundary}; type="{MEDIA[version]}"; start="<root>"'


def request(operation: str, organ: str, token: str, **texts: str) -> str:
    inside = {"OrganId": organ, "Token": token, **texts}
    told = "".join(f"<edXML:{name}>{text}</edXML:{name}>" for name, text in inside.items())
    return f"<edXML:{operation}Request>{told}</edXML:{operation}Request>"


def status(
    sender: str = "H37.04",
    about: str = "H37.02",
    code: str = "03",
    document: str = "H37.02,2026/11/21,12/SNV-VP",
    words: str = "",
) -> str:
    return f"""<edXML:Status><edXML:From><edXML:OrganId>{sender}</edXML:OrganId></edXML:From>
<edXML:ResponseFor><edXML:OrganId>{about}</edXML:OrganId><edXML:Code>12/SNV-VP</edXML:Code>
<edXML:PromulgationDate>21/11/2026</edXML:PromulgationDate>
<edXML:DocumentId>{document}</edXML:DocumentId></edXML:ResponseFor>
<edXML:StaffInfo><edXML:Staff>Lê Thị Bình</edXML:Staff></edXML:StaffInfo>
<edXML:StatusCode>{code}</edXML:StatusCode><edXML:Description>{words}</edXML:Description>
<edXML:Timestamp>22/11/2026 08:30:00</edXML:Timestamp></edXML:Status>"""
