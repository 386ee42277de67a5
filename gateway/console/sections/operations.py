"""Operations: everything operators see and do, in the order of the menu. Composition of its parts.

Right.SEE_OPERATIONS to look, Right.OPERATE to act, Right.CONFIGURE for agencies and keys, each for
the whole gateway: a queue belongs to no agency. Every change needs a reason and is audited by the
store it goes through.
"""

from gateway.console.pages import Section
from gateway.console.sections import (
    ops_agencies,
    ops_board,
    ops_log,
    ops_nodes,
    ops_queue,
    ops_systems,
)
from gateway.ports.accounts import Trail
from gateway.ports.operations import Operating, OpsDesk


def sections(
    desk: OpsDesk,
    operating: Operating,
    trail: Trail,
    *,
    read: ops_agencies.Reader,
    terms: ops_nodes.Terms,
) -> list[Section]:
    """Return the sections.

    Args:
        desk: What is looked at.
        operating: What is done.
        trail: Audit entries.
        read: Reads lists of agencies.
        terms: What this process watches that ends: certificates, revocation lists.
    """
    return [
        ops_board.section(desk, operating),
        ops_queue.section(operating, desk, trail),
        ops_log.section(desk, operating, trail),
        ops_nodes.section(desk, operating, terms),
        ops_systems.section(operating),
        ops_agencies.section(desk, operating, read),
    ]
