"""Composition: what is told above every page about accounts."""

import functools

from gateway.console.pages import Banners
from gateway.console.sections import accountnotes
from gateway.consoling.parts import Parts


def banners(parts: Parts) -> Banners:
    """Return the notes about rights that changed and accounts that were lost."""
    return functools.partial(accountnotes.banners, parts.accounts.own)
