"""scanning: what the policy makes of a file that nobody scanned for malware (FMT-14).

Where a scan is demanded nothing leaves and nothing is offered without one: what the scanner could
not answer now is asked again, for as long as it takes; nothing is given up. Pure but for the
policy; a crash leaves nothing behind.
"""

from datetime import timedelta
from typing import Final

from gateway.domain.malware import scan_json
from gateway.programs.context import Context
from gateway.programs.rows import dumps
from gateway.programs.verifying import Verdicts

AGAIN: Final = timedelta(seconds=30)
"""How long an incoming document waits before its files are scanned again."""


def is_owed(context: Context, verdicts: Verdicts, *, incoming: bool = False) -> bool:
    """Tell whether a document must wait for a scan.

    An outgoing one whose file can never be scanned does not wait: its sender is told at once, by
    the rule. An incoming one always waits: nobody here can send it again.
    """
    missing = verdicts.unscanned
    if not missing or not context.policy.rules.must_scan:
        return False
    return incoming or not all(scan.lasting for scan in missing)


def kept(verdicts: Verdicts | None) -> str:
    """Return the results as they are kept with their document."""
    return dumps([scan_json(s) for s in verdicts.scans] if verdicts is not None else [])
