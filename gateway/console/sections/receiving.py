"""The section of incoming documents, put together: pages, files, paper, and their menu."""

from collections.abc import Sequence

from gateway.console.pages import Group, Nav, Section
from gateway.console.sections.incoming import Incoming, Means, Panel
from gateway.console.sections.incomingfiles import IncomingFiles
from gateway.console.sections.incomingpaper import IncomingPaper
from gateway.domain.access import Right
from gateway.ports.clerk_receive import Receiving
from gateway.web.body import Limits
from gateway.web.studio import Studio


def section(
    receiving: Receiving,
    studio: Studio,
    limits: Limits,
    panels: Sequence[Panel] = (),
) -> Section:
    """Return the section.

    Args:
        receiving: The clerk's desk.
        studio: Reports and pictures.
        limits: How large an upload may be.
        panels: Parts of other sections on the document page.
    """
    means = Means(receiving, studio, panels)
    paper = IncomingPaper(means, limits)
    # Paths with words before those with ids.
    return Section(
        pages=(*paper.pages(), *Incoming(means).pages(), *IncomingFiles(means).pages()),
        nav=(
            Nav("/incoming", "Văn bản đến", "Incoming", Group.INCOMING, Right.READ, 10),
            Nav(
                "/incoming/mine", "Giao cho tôi", "Assigned to me", Group.INCOMING,
                Right.PROCESS, 11,
            ),
            Nav(
                "/incoming/paper", "Nhập văn bản giấy", "Paper arrival", Group.INCOMING,
                Right.RECEIVE, 12,
            ),
        ),
    )  # fmt: skip
