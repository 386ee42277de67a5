"""Composition: outgoing documents, drafts, things to do."""

from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import outgoing
from gateway.console.sections.recalling import outgoing_panel
from gateway.consoling.parts import Parts
from gateway.policies import clerk_policy_of
from gateway.programs.catalogue import name_of
from gateway.programs.clerk.drafts import LedgerDrafts
from gateway.programs.clerk.sentdesk import LedgerSentDesk
from gateway.programs.clerk.todolist import LedgerTodos


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    context, policy = parts.context, clerk_policy_of(parts.settings)
    return [
        outgoing.section(
            LedgerSentDesk(context, parts.desk, policy),
            LedgerDrafts(context, parts.door, policy),
            LedgerTodos(context),
            parts.accounts.trail,
            parts.studio,
            lambda code: name_of(context.directory(), code),
            parts.limits,
            (outgoing_panel(parts.recalls),),
        )
    ]
