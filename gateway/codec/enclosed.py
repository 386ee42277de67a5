"""The manifest and the attachments of a packet: names, references, labels, leniently. Pure."""

from dataclasses import dataclass
from typing import Final

from gateway.codec.layout import ATTACHMENTS_PATH, MANIFEST_PATH
from gateway.codec.names import extension, safe_name
from gateway.codec.split import Part
from gateway.codec.tree import XLINK_NS, Node
from gateway.codec.unwrap import MAGIC
from gateway.codec.walk import Fields, Walk
from gateway.domain.envelope import Attachment, ManifestEntry
from gateway.domain.finding import Severity

REFERENCE: Final = frozenset({"ContentId", "ContentType", "Description", "AttachmentName"})
ATTACHMENT: Final = REFERENCE | {"ContentTransferEncoded"}


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of one attachment's bytes; digests are lower-case hex SHA-256.

    Args:
        sha256: Of the unwrapped bytes.
        size_bytes: Of the unwrapped bytes.
        wrapped_sha256: Of the bytes as sent when a single-entry zip was undone, else "".
        broken_wrapper: The zip around it was damaged; `sha256` is of the bytes as sent.
    """

    sha256: str
    size_bytes: int
    wrapped_sha256: str = ""
    broken_wrapper: bool = False


def manifest_entries(walk: Walk, node: Node | None) -> tuple[ManifestEntry, ...]:
    """Read the manifest; a missing one has no entries."""
    if node is None:
        return ()
    fields = walk.children(node, MANIFEST_PATH, frozenset({"Reference"}))
    return tuple(
        _reference(walk, child, f"{MANIFEST_PATH}/Reference[{i}]")
        for i, child in enumerate(fields.get("Reference", ()), 1)
    )


def _reference(walk: Walk, node: Node, path: str) -> ManifestEntry:
    f = walk.children(node, path, REFERENCE)
    written = walk.code(f, "ContentId", path)
    if not written:
        written = next((v for ns, local, v in node.attrs if (ns, local) == (XLINK_NS, "href")), "")
    return ManifestEntry(
        _content_id(walk, written, f"{path}/ContentId"),
        walk.text(f, "ContentType", path),
        walk.text(f, "Description", path),
        walk.text(f, "AttachmentName", path),
    )


def _content_id(walk: Walk, written: str, where: str) -> str:
    bare = written
    while bare.lower().startswith("cid:"):
        bare = bare[4:]
    bare = bare.strip()
    if bare and written == bare:
        walk.repair("cid-prefix-missing", where, written)
    elif bare and written != f"cid:{bare}":
        walk.repair("cid-double", where, written)
    return bare


def attachment(
    walk: Walk, part: Part, stored: Stored, manifest: tuple[ManifestEntry, ...]
) -> Attachment:
    """Read one Attachment; names are made safe, what is odd about its content is said."""
    path = f"{ATTACHMENTS_PATH}/Attachment[{part.index + 1}]"
    content = [c for c in part.node.children if c.local == "ContentTransferEncoded"]
    if content and content[0].prefix != "edXML":
        walk.repair_once("prefix", f"{path}/ContentTransferEncoded", content[0].prefix)
    plain = Node(part.node.prefix, part.node.local, part.node.ns)
    plain.mixed = part.node.mixed
    plain.children = [c for c in part.node.children if c.local != "ContentTransferEncoded"]
    f = walk.children(plain, path, ATTACHMENT, prefix="")
    content_id = _content_id(walk, walk.code(f, "ContentId", path), f"{path}/ContentId")
    name = _name(walk, f, part, manifest, content_id=content_id, path=path)
    safe = safe_name(name, f"tep-{part.index + 1}")
    if safe != name:
        walk.repair("name-unsafe", f"{path}/AttachmentName", name)
    content_type = walk.text(f, "ContentType", path)
    _content_findings(walk, part, stored, path, safe)
    _check_label(
        walk, part, stored, name=name, content_type=content_type, where=f"{path}/ContentType"
    )
    return Attachment(
        index=part.index,
        name=name,
        safe_name=safe,
        content_id=content_id,
        content_type=content_type,
        description=walk.text(f, "Description", path),
        sha256=stored.sha256,
        size_bytes=stored.size_bytes,
        wrapped_sha256=stored.wrapped_sha256,
    )


def _name(
    walk: Walk,
    fields: Fields,
    part: Part,
    manifest: tuple[ManifestEntry, ...],
    *,
    content_id: str,
    path: str,
) -> str:
    name = walk.text(fields, "AttachmentName", path)
    where = f"{path}/AttachmentName"
    if name:
        return name
    listed = [m.name for m in manifest if m.name and m.content_id == content_id]
    if listed:
        walk.repair("name-from-manifest", where, listed[0])
        return listed[0]
    if part.head.startswith(b"%PDF-"):
        suffix = "pdf"
    else:
        suffix = "zip" if part.head.startswith(MAGIC) else "bin"
    name = f"tep-{part.index + 1}.{suffix}"
    # MD-01 (S003 art 8.1): a file that nobody named can't be told from the others.
    walk.finding(
        "MD-01",
        Severity.WARNING,
        where,
        f"Tệp đính kèm không có tên; đã đặt tên {name}. Hãy bổ sung AttachmentName.",
        f"An attachment without a name; called {name}. Add AttachmentName.",
    )
    return name


def _content_findings(walk: Walk, part: Part, stored: Stored, path: str, name: str) -> None:
    if stored.size_bytes == 0:
        # MD-01 (S003 art 8.1): a listed file without bytes is an absent file.
        walk.finding(
            "MD-01",
            Severity.ERROR,
            path,
            f"Tệp đính kèm {name} không có nội dung; hãy đính kèm lại.",
            f"The attachment {name} has no content; attach it again.",
        )
    if stored.broken_wrapper:
        walk.finding(
            "MD-10",
            Severity.WARNING,
            path,
            f"Lớp nén zip của tệp {name} bị hỏng; giữ nguyên như đã gửi. Hãy gửi lại tệp gốc.",
            f"The zip around {name} is damaged; kept as sent. Send the original file again.",
        )


def _check_label(
    walk: Walk, part: Part, stored: Stored, *, name: str, content_type: str, where: str
) -> None:
    says_zip = content_type.strip().lower() in {"application/zip", "application/x-zip-compressed"}
    if says_zip:
        wrong = not part.head.startswith(MAGIC) and extension(name) != "zip"
    else:
        wrong = bool(stored.wrapped_sha256)
    if wrong:
        walk.repair("zip-mislabelled", where, content_type)
