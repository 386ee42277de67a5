"""Whether a webhook's message came from the gateway just now (Standard Webhooks). Pure."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.client.errors import WebhookError

_WINDOW_S: Final = 300.0


def verify_webhook(
    secrets: str | Iterable[str],
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: float | None = None,
    window_s: float = _WINDOW_S,
) -> dict[str, Any]:
    """Return the message, read only after its signature was found good.

    Args:
        secrets: `whsec_…` as shown when it was made; several while it is being changed.
        headers: Of the request, in whatever letter case.
        body: Exactly the bytes that came.
        now: The time, for tests.
        window_s: How old a message may be, or how far ahead.

    Raises:
        WebhookError: Do nothing with it, and answer 401.
    """
    named = {name.lower(): value for name, value in headers.items()}
    message_id = named.get("webhook-id", "")
    stamp = named.get("webhook-timestamp", "")
    given = named.get("webhook-signature", "").split()
    if not message_id or not (stamp.isascii() and stamp.isdigit() and len(stamp) < 16):
        raise WebhookError("webhook-id or webhook-timestamp is missing")
    if abs((time.time() if now is None else now) - int(stamp)) > window_s:
        raise WebhookError("the message is not of just now: somebody plays an old one again")
    signed = f"{message_id}.{stamp}.".encode() + body
    wanted = [_signature(one, signed) for one in _all(secrets)]
    # compare_digest takes text of ASCII only; every pair is compared, so time tells nothing.
    good = [hmac.compare_digest(a.encode(), b.encode()) for a in given for b in wanted]
    if not any(good):
        raise WebhookError("no signature is the gateway's")
    message = json.loads(body)
    if not isinstance(message, dict):
        raise WebhookError("the message is no JSON object")
    return message


def _all(secrets: str | Iterable[str]) -> tuple[str, ...]:
    return (secrets,) if isinstance(secrets, str) else tuple(secrets)


def _signature(secret: str, signed: bytes) -> str:
    try:
        key = base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as wrong:
        raise WebhookError("the secret is not one of ours (whsec_…)") from wrong
    if not key:
        raise WebhookError("the secret is empty")
    return f"v1,{base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()}"
