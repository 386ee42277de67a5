"""What every section is made of: the frozen base model and the described field. Pure."""

from datetime import timedelta
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from gateway.config.kinds import parse_duration

REQUIRED: Final = ...


def field(default: Any, vi: str, en: str, *, sample: str = "", **limits: Any) -> Any:
    """Describe a field: Vietnamese, English, and a value for the sample file when it needs one."""
    extra: dict[str, Any] = {"vi": vi, "sample": sample}
    return Field(default, description=en, json_schema_extra=extra, **limits)


def duration(text: str) -> timedelta:
    """Return a duration as it is written in the file."""
    return parse_duration(text)


class Section(BaseModel):
    """Base of all sections: frozen, unknown keys fail, defaults are checked like given values."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
