"""The report as one HTML page that stands alone: styles inside, no script, nothing from outside.

Promises: every text from a file is escaped by the template engine; the page works from a disk, from
a mail and without JavaScript; its content security policy admits its own styles by hash and
pictures as data, nothing else; the same dossier gives the same bytes. Keeps nothing.
"""

import base64
import functools
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup

from gateway.reports.advice import Words
from gateway.reports.build import build
from gateway.reports.model import Dossier

MEDIA: Final = "text/html"
LANGUAGES: Final = ("vi", "en")
_TEMPLATES: Final = Path(__file__).parent / "templates"


@functools.cache
def environment() -> jinja2.Environment:
    """Return the template engine of all our pages: escapes everything, knows no missing name."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["W"] = Words
    made.filters["data_png"] = _data_png
    return made


@functools.cache
def asset(name: str) -> str:
    """Return one of our own static texts: `report.css`, `verify.css`, `verify.js`."""
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def digest_source(text: str) -> str:
    """Return how a content security policy names an inline text of ours."""
    digest = hashlib.sha256(text.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@functools.cache
def content_security_policy() -> str:
    """Return the policy a report is served with, and carries in itself."""
    return (
        f"default-src 'none'; style-src {digest_source(asset('report.css'))}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def render(dossier: Dossier) -> bytes:
    """Return the page."""
    return page("report.html.j2", {"view": build(dossier), "policy": content_security_policy()})


def page(template: str, values: Mapping[str, Any]) -> bytes:
    """Return a page of ours with the common styles inside."""
    text = environment().get_template(template).render(styles=inline("report.css"), **values)
    return text.encode("utf-8", errors="replace")


def inline(name: str) -> Markup:
    """Return one of our own static texts to stand in a page; the only texts not escaped."""
    return Markup(asset(name))  # noqa: S704


def _data_png(png: bytes) -> str:
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
