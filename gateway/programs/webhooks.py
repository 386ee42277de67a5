"""Subscriptions of webhooks: made, listed, paused, played again (`ports.Webhooks`).

A subscription is a row, its place in the feed of events another, its secrets are credentials of its
system, sealed like all shared secrets and sealed anew with them. Each change is one transaction
with an event and an entry of the receipt log. Nothing is removed: one that is ended keeps its row
and what it was told. A crash leaves the whole change or nothing of it.
"""

import base64
import secrets as random_secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from gateway.domain import webhook as signing
from gateway.domain.marking import told
from gateway.domain.moments import from_text, iso, to_text
from gateway.domain.notices import NAMES
from gateway.errors import IntegrityError, Reason, RejectedError, UnavailableError
from gateway.ports import (
    Change,
    ChangeSet,
    Clock,
    Conflict,
    Ids,
    Insert,
    Ledger,
    Post,
    Posted,
    Row,
    Update,
    Webhook,
    WebhookCall,
)
from gateway.programs.feed import new_place, put_back
from gateway.programs.rows import dumps, entry, event, loads
from gateway.secrets import new_credential_id, open_with, seal_secret

ACTIVE: Final = "active"
PAUSED: Final = "paused"
REMOVED: Final = "removed"
TEST_KIND: Final = "webhook.test"
_GROUPS: Final = frozenset(f"{name.partition('.')[0]}.*" for name in NAMES)
_RACES: Final = 8


def place_of(webhook_id: str) -> str:
    """Return the name under which a subscription's place in the feed is kept."""
    return f"webhook:{webhook_id}"


@dataclass(frozen=True, slots=True)
class Means:
    """What subscriptions are kept with.

    Args:
        ledger: Where they are.
        clock: Time.
        ids: Names rows.
        keys: Keys that seal secrets, the present one first.
        post: Says which addresses may be used, and brings messages.
        most: Subscriptions one system may have.
        training: Whether all data are for training: every message says so.
    """

    ledger: Ledger
    clock: Clock
    ids: Ids
    keys: Callable[[], Sequence[bytes]]
    post: Post
    most: int = 20
    training: bool = False


class LedgerWebhooks:
    """See `ports.Webhooks`."""

    def __init__(self, means: Means) -> None:
        self._means = means
        self._ledger = means.ledger

    # ------------------------------------------------------------ looking

    async def listing(self, system_id: str) -> Sequence[Webhook]:
        """Return a system's subscriptions, or all."""
        named = {"system_id": system_id} if system_id else {}
        rows = await self._ledger.all("webhooks_of" if named else "webhooks", **named)
        return [await self._shown(row) for row in rows]

    async def one(self, system_id: str, webhook_id: str) -> Webhook:
        """Return one."""
        return await self._shown(await self._row(system_id, webhook_id))

    async def calls(
        self, system_id: str, webhook_id: str, *, dead: bool, limit: int
    ) -> Sequence[WebhookCall]:
        """Return its newest messages, or those given up."""
        await self._row(system_id, webhook_id)
        query = "webhook_dead" if dead else "webhook_calls"
        rows = await self._ledger.all(query, webhook_id=webhook_id, limit=limit)
        return [_call(row) for row in rows]

    async def _row(self, system_id: str, webhook_id: str) -> Row:
        row = await self._ledger.one("webhook", id=webhook_id)
        if row is None or (system_id and row["system_id"] != system_id):
            raise RejectedError(Reason.NOT_FOUND)
        return row

    async def _there(self, system_id: str, webhook_id: str) -> Row:
        """Return one that was not removed."""
        row = await self._row(system_id, webhook_id)
        if row["state"] == REMOVED:
            raise RejectedError(Reason.CONFLICT, f"the webhook {webhook_id} was removed")
        return row

    async def _shown(self, row: Row) -> Webhook:
        place = await self._ledger.one("place", consumer=place_of(row["id"]))
        newest = await self._ledger.one("meta", key="event_seq")
        dead = await self._ledger.one("webhook_dead_count", webhook_id=row["id"])
        return Webhook(
            id=row["id"],
            system_id=row["system_id"],
            url=row["url"],
            kinds=tuple(loads(row["kinds"])),
            state=row["state"],
            why=row["why"],
            cursor=place["cursor"] if place else 0,
            newest=int(newest["value"]) if newest else 0,
            tries=row["tries"],
            failing_since=from_text(row["failing_since"]) if row["failing_since"] else None,
            due_at=from_text(row["due_at"]),
            dead=dead["n"] if dead else 0,
            created_at=from_text(row["created_at"]),
        )

    # ------------------------------------------------------------ changing

    async def add(
        self, system_id: str, url: str, kinds: Sequence[str], *, by: str
    ) -> tuple[Webhook, str]:
        """Add one; it hears what is to come."""
        self._check(url, kinds)
        if len(await self._ledger.all("webhooks_of", system_id=system_id)) >= self._means.most:
            raise RejectedError(
                Reason.CONFLICT, f"{system_id} has {self._means.most} webhooks: remove one first"
            )
        now = self._means.clock.now()
        newest = await self._ledger.one("meta", key="event_seq")
        row = {
            "id": self._means.ids.new(),
            "system_id": system_id,
            "url": url,
            "kinds": dumps(list(dict.fromkeys(kinds))),
            "state": ACTIVE,
            "due_at": to_text(now),
            "created_at": to_text(now),
        }
        secret, kept = self._secret(row, now)
        place = new_place(
            place_of(row["id"]), int(newest["value"]) if newest else 0, self._means.clock
        )
        told = self._told(row, "webhook-added", by, now, kinds=list(kinds))
        await self._commit((Insert("webhook", row), kept, place, *told))
        return await self.one(system_id, row["id"]), secret

    def _check(self, url: str, kinds: Sequence[str]) -> None:
        refused = self._means.post.refusal(url)
        if refused:
            raise RejectedError(Reason.BAD_REQUEST, f"The address {refused}")
        strange = [one for one in kinds if one not in NAMES and one not in _GROUPS]
        if strange:
            raise RejectedError(
                Reason.BAD_REQUEST,
                f"Kinds must be some of {', '.join((*sorted(_GROUPS), *NAMES))}",
            )

    def _secret(self, row: Mapping[str, Any], now: datetime) -> tuple[str, Insert]:
        """Return a new secret as its receiver is told it, and the row that keeps it sealed."""
        secret = random_secrets.token_bytes(signing.SECRET_BYTES)
        name = new_credential_id()
        key = self._means.keys()[0]
        sealed = seal_secret(key, secret, system_id=row["system_id"], credential_id=name)
        values = {
            "id": name,
            "system_id": row["system_id"],
            "kind": place_of(row["id"]),
            "sealed": base64.b64encode(sealed).decode(),
            "created_at": to_text(now),
        }
        return signing.secret_text(secret), Insert("credential", values)

    async def secrets(self, row: Row) -> list[bytes]:
        """Return the secrets that sign now, the newest first; two during a change."""
        now = to_text(self._means.clock.now())
        kept = await self._ledger.all(
            "webhook_secrets", system_id=row["system_id"], kind=place_of(row["id"])
        )
        return [
            open_with(
                self._means.keys(), base64.b64decode(one["sealed"]),
                system_id=one["system_id"], credential_id=one["id"],
            )
            for one in kept if one["expires_at"] is None or one["expires_at"] > now
        ]  # fmt: skip

    async def rotate(
        self, system_id: str, webhook_id: str, *, overlap: timedelta, by: str
    ) -> tuple[Webhook, str]:
        """Give it a new secret; the one before signs beside it until the overlap is over."""
        row = await self._there(system_id, webhook_id)
        now = self._means.clock.now()
        secret, kept = self._secret(row, now)
        ends = to_text(now + overlap)
        old = await self._ledger.all(
            "webhook_secrets", system_id=row["system_id"], kind=place_of(row["id"])
        )
        # Two at most, however often it is changed: each signs every message.
        ended = [
            Update("credential", {"id": one["id"]}, {"expires_at": ends}) for one in old[:1]
            if one["expires_at"] is None or one["expires_at"] > ends
        ]  # fmt: skip
        over = [Update("credential", {"id": one["id"]}, {"revoked_at": to_text(now)})
                for one in old[1:]]  # fmt: skip
        told = self._told(row, "webhook-rotated", by, now, until=iso(now + overlap))
        await self._commit((*ended, *over, kept, *told))
        return await self.one(system_id, webhook_id), secret

    async def pause(self, system_id: str, webhook_id: str, *, reason: str, by: str) -> Webhook:
        """Bring nothing until it is resumed."""
        return await self._move(system_id, webhook_id, PAUSED, by, reason=reason.strip()[:500])

    async def resume(self, system_id: str, webhook_id: str, *, by: str) -> Webhook:
        """Go on where it stood, at once."""
        return await self._move(system_id, webhook_id, ACTIVE, by)

    async def remove(self, system_id: str, webhook_id: str, *, by: str) -> Webhook:
        """End it for good."""
        return await self._move(system_id, webhook_id, REMOVED, by)

    async def _move(
        self, system_id: str, webhook_id: str, state: str, by: str, *, reason: str = ""
    ) -> Webhook:
        row = await self._there(system_id, webhook_id)
        now = self._means.clock.now()
        where = {"id": row["id"], "state": row["state"]}
        values: dict[str, Any] = {"state": state, "why": reason}
        if state == ACTIVE:
            values |= {"due_at": to_text(now), "tries": 0, "failing_since": None}
        ended: list[Change] = []
        if state == REMOVED:
            old = await self._ledger.all(
                "webhook_secrets", system_id=row["system_id"], kind=place_of(row["id"])
            )
            gone = {"revoked_at": to_text(now)}
            ended = [Update("credential", {"id": one["id"]}, gone) for one in old]
        told = self._told(row, f"webhook-{_DONE[state]}", by, now, reason=reason)
        await self._commit((Update("webhook", where, values), *ended, *told))
        return await self.one(system_id, webhook_id)

    async def replay(
        self, system_id: str, webhook_id: str, cursor: int, *, reason: str, by: str
    ) -> Webhook:
        """Tell everything behind a cursor again."""
        if not reason.strip():
            raise RejectedError(Reason.BAD_REQUEST, "Say why: the reason is kept")
        for _ in range(_RACES):
            row = await self._row(system_id, webhook_id)
            place = await self._ledger.one("place", consumer=place_of(webhook_id))
            if place is None or row["state"] == REMOVED:
                raise RejectedError(Reason.CONFLICT, f"the webhook {webhook_id} was removed")
            now = self._means.clock.now()
            at_once = {"due_at": to_text(now), "tries": 0, "failing_since": None}
            changes = (
                *put_back(place, cursor, by=by, reason=reason, at=self._means.clock),
                Update("webhook", {"id": webhook_id}, at_once),
                *self._told(row, "webhook-replayed", by, now, reason=reason.strip()[:500]),
            )
            if not isinstance(await self._ledger.commit(ChangeSet(rows=changes)), Conflict):
                return await self.one(system_id, webhook_id)
        raise UnavailableError(public="the webhook moves on meanwhile", retry_after_s=1)

    async def test(self, system_id: str, webhook_id: str) -> Posted:
        """Send a test message now."""
        row = await self._there(system_id, webhook_id)
        now = self._means.clock.now()
        message_id = f"msg_{webhook_id}_test_{self._means.ids.new()}"
        return await self.send(row, message_id, TEST_KIND, now, {"webhook": webhook_id})

    async def send(
        self, row: Row, message_id: str, kind: str, at: datetime | str, data: Mapping[str, Any]
    ) -> Posted:
        """Sign a message and bring it."""
        body = dumps({
            "type": kind,
            "timestamp": at if isinstance(at, str) else iso(at),
            "data": told(data, training=self._means.training),
        }).encode()  # fmt: skip
        stamp = int(self._means.clock.now().timestamp())
        try:
            secrets = await self.secrets(row)
        except IntegrityError:
            return Posted(0, "its secret does not open: rotate it")
        if not secrets:
            return Posted(0, "it was removed")  # meanwhile: nothing goes out unsigned
        signed = signing.headers(secrets, message_id, stamp, body)
        return await self._means.post.post(row["url"], signed, body)

    # ------------------------------------------------------------ pieces

    def _told(
        self, row: Mapping[str, Any], action: str, by: str, now: datetime, **said: Any
    ) -> list[Change]:
        # The address is left out: it may carry a key of the receiver's.
        proof = entry(
            self._means.ids, "audit", row["system_id"], "", now, action=action, actor=by,
            target=place_of(row["id"]), reason=said.get("reason"),
        )  # fmt: skip
        return [event(place_of(row["id"]), action.replace("-", "_"), now, by=by, **said), proof.row]

    async def _commit(self, changes: Sequence[Change]) -> None:
        done = await self._ledger.commit(ChangeSet(rows=tuple(changes)))
        if isinstance(done, Conflict):
            raise RejectedError(Reason.CONFLICT, "it was changed by somebody else meanwhile")


_DONE: Final = {PAUSED: "paused", ACTIVE: "resumed", REMOVED: "removed"}


def _call(row: Row) -> WebhookCall:
    return WebhookCall(
        id=row["id"],
        cursor=row["seq"],
        kind=row["kind"],
        state=row["state"],
        tries=row["tries"],
        began_at=from_text(row["began_at"]),
        ended_at=from_text(row["ended_at"]) if row["ended_at"] else None,
        status=row["status"],
        outcome=row["outcome"],
    )
