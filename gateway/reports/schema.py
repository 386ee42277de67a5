"""The JSON Schema of a verification report, published with the project.

`make docs` writes it to `schemas/verification-report.schema.json`; a test holds the file against
this. Pure.
"""

import json
import sys
from typing import Any, Final

from gateway.trust.render import schema

NAME: Final = "verification-report.schema.json"
MEDIA: Final = "application/schema+json"
IDENTIFIER: Final = "urn:vanlien:schema:verification-report:2"


def document() -> dict[str, Any]:
    """Return the schema."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": IDENTIFIER,
        **schema(),
        "title": "Báo cáo kiểm tra chữ ký số / Signature verification report",
    }


def text() -> str:
    """Return the schema as it is published; the same every time."""
    return json.dumps(document(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def main() -> int:
    """Print the schema."""
    sys.stdout.write(text())
    return 0


if __name__ == "__main__":
    sys.exit(main())
