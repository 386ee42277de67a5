"""A verification report as JSON and back, in a fixed order.

Promises: the same facts give the same dictionary, so stored reports compare byte for byte; a stored
report reads back to an equal value, also one written before a field was added. Keeps nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from gateway.trust.report import VIETNAM, VerificationReport

__all__ = ["VIETNAM", "Json", "from_json", "schema", "to_json"]

Json = dict[str, Any]
_ADAPTER: Final = TypeAdapter(VerificationReport)


def to_json(report: VerificationReport) -> Json:
    """Return a report as a JSON-ready dictionary in stable order, times `+07:00`."""
    data: Json = _ADAPTER.dump_python(report, mode="json")
    return data


def from_json(data: Mapping[str, Any]) -> VerificationReport:
    """Return the report a dictionary of `to_json` describes.

    Args:
        data: What `to_json` gave, now or in an earlier version.

    Raises:
        ValueError: A value is not of its kind, or one that every version wrote is missing.
    """
    return _ADAPTER.validate_python(data)


def schema() -> Json:
    """Return the JSON Schema of a report."""
    return _ADAPTER.json_schema(mode="serialization")
