"""A small client of the HTTP API, for agencies' systems: `from gateway.client import Client`.

Needs aiohttp and the standard library, nothing else of this distribution, so the folder may be
copied into a program that does not install it. Import has no side effects.
"""

from gateway.client.api import Client
from gateway.client.errors import AwayError, ClientError, RefusedError, WebhookError
from gateway.client.webhooks import verify_webhook

__all__ = [
    "AwayError",
    "Client",
    "ClientError",
    "RefusedError",
    "WebhookError",
    "verify_webhook",
]
