"""All sections about persons: the way in, one's own account, people, the audit log."""

from gateway.console.pages import Section
from gateway.console.sections import (
    account,
    auditlog,
    delegation,
    leaving,
    links,
    lists,
    people,
    rights,
    signin,
)
from gateway.ports.accounts import AccountLists, Accounts, AuditLog, Own, SignIns, Trail
from gateway.ports.single import SingleSignOn


def sections(  # noqa: PLR0917 - a port each
    sign_ins: SignIns,
    own: Own,
    accounts: Accounts,
    audit: AuditLog,
    trail: Trail,
    many: AccountLists,
    *,
    single: SingleSignOn | None = None,
) -> list[Section]:
    """Return the sections.

    Args:
        sign_ins: Decides who is let in.
        own: What everybody does with the own account.
        accounts: Administration.
        audit: Reading the audit log.
        trail: Audit entries.
        many: Many accounts at once.
        single: Single sign-on, None without one.
    """
    return [
        signin.section(sign_ins, single),
        links.section(sign_ins),
        account.section(own),
        delegation.section(own),
        lists.section(many),
        people.section(accounts, trail),
        rights.section(accounts),
        leaving.section(accounts),
        auditlog.section(audit, trail),
    ]
