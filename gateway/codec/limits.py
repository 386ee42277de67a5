"""What one packet may cost us: plain numbers that every reader of packets is given."""

from dataclasses import dataclass
from typing import Final

MIB: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one packet (giới hạn gói tin). Going over any is a refusal, never a guess.

    Args:
        packet_bytes: The packet as received, base64 and all.
        header_bytes: Everything that is not base64 content: elements, comments, white space.
        depth: Nesting of elements.
        elements: Number of elements.
        attributes: Attributes on one element.
        attachments: Number of Attachment elements.
        junk_bytes: Stray bytes tolerated before the XML declaration.
        unwrapped_bytes: All unwrapped files of one packet together.
        zip_ratio: Unwrapped to wrapped size of one file, once it is over `zip_ratio_free_bytes`.
        zip_ratio_free_bytes: Unwrapped size below which the ratio does not matter.
        remarks: Repairs and findings listed one by one; the rest is counted.
    """

    packet_bytes: int = 512 * MIB
    header_bytes: int = 4 * MIB
    depth: int = 40
    elements: int = 100_000
    attributes: int = 32
    attachments: int = 200
    junk_bytes: int = 256
    unwrapped_bytes: int = 1024 * MIB
    zip_ratio: int = 200
    zip_ratio_free_bytes: int = 64 * MIB
    remarks: int = 200


DEFAULT_LIMITS: Final = Limits()
