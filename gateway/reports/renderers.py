"""Which form a report can take, by name and by suffix: one table for command line and API.

A form is a function from a dossier to bytes. Pure.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.domain.marking import told
from gateway.reports import etsi, html, pdf
from gateway.reports.model import Dossier
from gateway.trust.render import Json, to_json


@dataclass(frozen=True, slots=True)
class Form:
    """One form of the report.

    Args:
        name: As `?format=` and the suffix say it: `html`, `pdf`, `json`, `xml`.
        media: Media type of the bytes.
        render: Makes them.
        pictures: It shows pages, so they are worth drawing.
    """

    name: str
    media: str
    render: Callable[[Dossier], bytes]
    pictures: bool = False


def as_json(dossier: Dossier) -> bytes:
    """Return one report as it is published, or several as `{files: [{name, report}]}`."""
    found: Json
    if len(dossier.files) == 1 and dossier.files[0].report is not None:
        found = to_json(dossier.files[0].report)
    else:
        found = {
            "files": [
                {"name": f.name, "report": None if f.report is None else to_json(f.report)}
                for f in dossier.files
            ]
        }
    found = told(found, training=dossier.training)
    return (json.dumps(found, ensure_ascii=False, indent=1) + "\n").encode(
        "utf-8", errors="replace"
    )


FORMS: Final[dict[str, Form]] = {
    form.name: form
    for form in (
        Form("html", html.MEDIA, html.render, pictures=True),
        Form("pdf", pdf.MEDIA, pdf.render, pictures=True),
        Form("json", "application/json", as_json),
        Form("xml", etsi.MEDIA, etsi.render),
    )
}
"""Every form there is; a new one is one line here."""
