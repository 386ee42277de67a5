"""Composition: signing in, one's own account, people, the audit log, the first page."""

import ssl
from collections.abc import Sequence

from gateway.console.pages import Section
from gateway.console.sections import accounts, home
from gateway.console.sections.signin import BACK
from gateway.consoling.parts import Parts
from gateway.ports.single import SingleSignOn
from gateway.secrets import read_secret_file


def sections(parts: Parts) -> Sequence[Section]:
    """Return the sections."""
    told = parts.accounts
    pages = accounts.sections(
        told.signins,
        told.own,
        told.accounts,
        told.audit,
        told.trail,
        told.lists,
        single=_single_of(parts),
    )
    return [home.section(), *pages]


def _single_of(parts: Parts) -> SingleSignOn | None:
    """Return single sign-on, None where the settings name no provider."""
    oidc, public = parts.settings.accounts.oidc, parts.settings.http.public_url
    if oidc.issuer is None or public is None:
        return None
    from adapters.oidc.client import OidcSignOn, Provider  # only where it is asked for

    file, authority = oidc.secret_file, oidc.ca_file
    provider = Provider(
        name=oidc.name,
        issuer=oidc.issuer,
        client_id=oidc.client_id,
        redirect=f"{public}{BACK}",
        secret=(lambda: "") if file is None else (lambda: read_secret_file(file)),
        tls=None if authority is None else ssl.create_default_context(cafile=authority),
    )
    return OidcSignOn(provider, parts.context.clock.now)
