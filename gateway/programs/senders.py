"""What a message's sender goes by: the facts that rules and policy compare signers with (SIG-51).

From the catalogue: its own name, those of agencies it took over from, and of the bodies above. The
name written in the message counts where it does not contradict the catalogue, or where the
catalogue has none. Pure look-ups.
"""

from datetime import date
from typing import Final

from gateway.domain.directory import Directory, Resolved
from gateway.domain.envelope import Envelope
from gateway.domain.identifiers import fold
from gateway.rules.facts import AgencyNames
from gateway.rules.names import may_be_same
from gateway.rules.signers import codes_of

_MOST_ABOVE: Final = 6


def names_of(directory: Directory, envelope: Envelope, day: date) -> AgencyNames:
    """Return codes and names of a message's sender on a day."""
    written = envelope.header.sender
    found = directory.resolve(written.organ_id, day)
    codes = codes_of(written.organ_id, found.canonical)
    stated = written.organ_name.strip()
    if not isinstance(found, Resolved):
        return AgencyNames(codes, (stated,) if stated else (), _stated_above(envelope))
    family = [found.canonical, *sorted(directory.lineage(found.canonical) - {found.canonical})]
    agencies = [a for code in family if (a := directory.get(code)) is not None]
    names = [a.name for a in agencies if a.name]
    above = _above(directory, found.canonical) or _stated_above(envelope)
    if stated and (not names or may_be_same(stated, names[0], above)):
        names.append(stated)
    others = codes_of(*family, *(a.legacy_code for a in agencies)) - codes
    return AgencyNames(codes, tuple(dict.fromkeys(names)), above, others)


def _stated_above(envelope: Envelope) -> tuple[str, ...]:
    above = envelope.header.sender.organization_in_charge.strip()
    return (above,) if above else ()


def _above(directory: Directory, canonical: str) -> tuple[str, ...]:
    """Return the names of the bodies above, nearest first; a circle in the catalogue ends it."""
    names: list[str] = []
    seen = {fold(canonical)}
    agency = directory.get(canonical)
    while agency is not None and agency.parent and len(names) < _MOST_ABOVE:
        if fold(agency.parent) in seen:
            break
        seen.add(fold(agency.parent))
        agency = directory.get(agency.parent)
        if agency is not None and agency.name:
            names.append(agency.name)
    return tuple(names)
