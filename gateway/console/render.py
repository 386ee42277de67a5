"""Templates, static files and the words around them.

Promises: every text is escaped; a name a template does not know is an error, not a blank; a static
file is one of our own, named with the hash of what it holds, so that a browser keeps it for ever.
Times are shown as people of Vietnam write them, in Vietnam's time.
"""

import functools
import hashlib
import mimetypes
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import jinja2
from aiohttp import web

from gateway.console.pages import BASE, Lang
from gateway.domain.marking import MARK, MARK_EN
from gateway.domain.moments import VIETNAM, from_text

_HERE: Final = Path(__file__).parent
_TEMPLATES: Final = _HERE / "templates"
_STATIC: Final = _HERE / "static"
_FOR_EVER: Final = "public, max-age=31536000, immutable"

CSP: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "manifest-src 'none'; object-src 'none'"
)
"""Nothing from outside, nothing inline: no style attributes and no script in a page either."""


@functools.cache
def environment() -> jinja2.Environment:
    """Return the template engine of the console."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        # An upgrade puts new files beside code that runs: what is in use stays as it was.
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["moment"] = moment
    made.filters["day"] = day
    made.filters["month"] = month
    made.filters["clock"] = clock
    made.filters["number"] = number
    made.globals["static"] = static_path
    made.globals["base"] = BASE
    made.globals["mark"], made.globals["mark_en"] = MARK, MARK_EN
    return made


def render(template: str, lang: Lang, values: Mapping[str, Any]) -> bytes:
    """Return a page; `t(vi, en)` in it is the text in its language."""

    def t(vi: str, en: str) -> str:
        return vi if lang == "vi" else en

    text = environment().get_template(template).render(t=t, lang=lang, **values)
    return text.encode("utf-8", errors="replace")


# ---------------------------------------------------------------- filters


def _local(value: datetime | str) -> datetime:
    at = value if isinstance(value, datetime) else _read(value)
    return at.astimezone(VIETNAM)


def _read(text: str) -> datetime:
    return from_text(text) if text.endswith("Z") else datetime.fromisoformat(text)


def moment(value: datetime | str | None) -> str:
    """Return `22/11/2026 14:05` for an instant (aware, or ISO 8601 text), "" for none."""
    return _local(value).strftime("%d/%m/%Y %H:%M") if value else ""


def clock(value: datetime | str | None) -> str:
    """Return `14:05:09` for an instant, "" for none."""
    return _local(value).strftime("%H:%M:%S") if value else ""


def day(value: date | datetime | str | None) -> str:
    """Return `22/11/2026` for a day, an instant or ISO text; "" for none."""
    if not value:
        return ""
    if (isinstance(value, str) and len(value) > 10) or isinstance(value, datetime):
        return _local(value).strftime("%d/%m/%Y")
    read = date.fromisoformat(value) if isinstance(value, str) else value
    return read.strftime("%d/%m/%Y")


def month(value: str) -> str:
    """Return `11/2026` for `2026-11`."""
    return f"{value[5:7]}/{value[:4]}"


def number(value: float) -> str:
    """Return a number with dots between thousands, as Vietnamese writes them."""
    return f"{value:,.0f}".replace(",", ".")


# ---------------------------------------------------------------- static files


@functools.cache
def _static(name: str) -> tuple[bytes, str, str] | None:
    path = _STATIC / name
    if path.parent != _STATIC or not path.is_file():
        return None
    data = path.read_bytes()
    media = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return data, media, hashlib.sha256(data).hexdigest()[:16]


def static_path(name: str) -> str:
    """Return the address of one of our files; KeyError when there is none."""
    found = _static(name)
    if found is None:
        raise KeyError(name)
    return f"{BASE}/static/{name}?{found[2]}"


async def serve_static(request: web.Request) -> web.Response:
    """Return one of our own files."""
    found = _static(request.match_info["name"])
    if found is None:
        raise web.HTTPNotFound
    data, media, _ = found
    headers = {"Cache-Control": _FOR_EVER, "X-Content-Type-Options": "nosniff"}
    charset = "utf-8" if media.startswith(("text/", "application/javascript")) else None
    return web.Response(body=data, content_type=media, charset=charset, headers=headers)
