"""Who is the same person: names as people type them. Pure.

Needed where two different persons must act (purging what SEC-01 set aside), so that a second
spelling of one name does not count as a second person.
"""

import unicodedata


def name_key(name: str) -> str:
    """Return the form in which two spellings of one name are equal.

    Composed or combining accents (FMT-07), letter case and blanks do not make another person.
    """
    return " ".join(unicodedata.normalize("NFC", name).split()).casefold()


def same_person(one: str, other: str) -> bool:
    """Tell whether two names are spellings of one."""
    return name_key(one) == name_key(other)
