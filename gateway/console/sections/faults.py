"""What a form says when it is shown again: everything that is wrong, in both languages. Pure."""

from gateway.console.pages import Say
from gateway.errors import CATALOGUE, Reason, RejectedError


def faults_of(refused: RejectedError) -> tuple[Say, ...]:
    """Return what was wrong: the findings, or the reason where there are none."""
    if refused.findings:
        return tuple(Say(one.vi, one.en) for one in refused.findings)
    row = CATALOGUE[refused.reason]
    return (Say(row.vi, row.en if refused.public == row.en else f"{row.en}: {refused.public}"),)


def unless_hidden(refused: RejectedError) -> tuple[Say, ...]:
    """Return what is said in the form; what may not be done or known is the frame's (ACC-06).

    Raises:
        RejectedError: As it was, for FORBIDDEN and NOT_FOUND.
    """
    if refused.reason in {Reason.FORBIDDEN, Reason.NOT_FOUND}:
        raise refused
    return faults_of(refused)
