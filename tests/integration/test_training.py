"""A system for training: nothing of it is taken for the real thing, whatever way it leaves.

The evil twin is every other test: real data never carry the mark. Frozen months of both kinds never
mix, and what is signed in training says so where it is signed.
"""

import base64
import io
import json
from datetime import timedelta

import pytest

from gateway.domain.access import Role
from gateway.domain.marking import FILES, MARK
from gateway.domain.moments import VIETNAM
from gateway.ports.watch import Letter, Mailed
from gateway.programs.watch.marked import MarkedMail
from tests.world.gatehouse import gatehouse, packet

WARD = "H37.61"


@pytest.fixture(params=[True, False], ids=["training", "real"])
async def house(request, tmp_path):
    extra = "[console]\ntraining = true\n" if request.param else ""
    async with gatehouse(tmp_path, extra=extra) as house:
        house.training = request.param
        yield house


def claims_of(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


async def test_all_that_leaves_says_whether_it_is_for_training(house):
    status, told, _ = await house.send(packet("12", to=(WARD,)))
    assert status == 202
    marks = {"acceptance": json.dumps(claims_of(told["receipt"]), ensure_ascii=False)}
    names = {}
    delivery = await house.state(told["id"], WARD, "arrived")
    ids = json.dumps([delivery["id"]])
    (arrival,) = await house.gateway.ledger.all("arrivals_of_deliveries", ids=ids)
    clerk = await house.visitor("lan", Role.CLERK, WARD)
    ops = await house.visitor("ops", Role.PROVIDER_OPS)
    one = f"/incoming/{arrival['id']}"
    for name, visitor, path in (
        ("page", clerk, one),
        ("stamp", clerk, f"/registers/stamp/{arrival['id']}"),
        ("report", clerk, f"{one}/verification"),
        ("receipts", clerk, f"{one}/receipts"),
        ("register", clerk, f"/registers/export?book=in&agency={WARD}&form=csv"),
        ("statistics", clerk, f"/statistics/export?agency={WARD}&form=json"),
        ("log", ops, "/ops/receipts/export?form=json"),
        ("bundle", ops, "/ops/receipts/bundle"),
        ("nowhere", clerk, "/static/none"),
    ):
        answer = await visitor.get(path)
        assert answer.status in {200, 404}, (name, answer.words)
        marks[name] = answer.text
        if given := answer.headers.get("Content-Disposition"):
            names[name] = given
    api = f"/documents/{told['id']}/verification"
    for form in ("json", "xml", "html"):
        _, body, _ = await house.call("GET", f"{api}?format={form}")
        marks[form] = json.dumps(body, ensure_ascii=False) if form == "json" else body.decode()
    assert {name for name, text in marks.items() if (MARK in text) is not house.training} == set()
    assert len(names) >= 5
    assert {n for n, given in names.items() if (FILES in given) is not house.training} == set()


async def test_frozen_months_of_training_are_not_the_real_ones(house):
    figures = house.gateway.shelf.figures
    house.clock.move(timedelta(days=32))
    month = (house.clock.now() - timedelta(days=32)).astimezone(VIETNAM).strftime("%Y-%m")
    frozen = await figures.freeze(WARD, month, by="lan")
    assert frozen.figures.get("mark") == (MARK if house.training else None)
    assert frozen.id in [one.id for one in await figures.snapshots(WARD)]
    ask = house.gateway.ledger.one
    real = await ask("snapshot_of", agency=WARD, kind="exchange", period=month)
    assert (real is None) is house.training


async def test_a_bundle_is_signed_with_the_mark_in_it(house):
    out = io.BytesIO()
    await house.send(packet("12", to=(WARD,)))
    operating = house.gateway._make_operating()
    await operating.bundle(out, document=None)
    header = json.loads(out.getvalue().splitlines()[0])
    assert (MARK in header["gateway"]) is house.training


async def test_every_mail_of_training_is_marked():
    class Kept:
        def __init__(self):
            self.sent = []

        async def send(self, letter):
            self.sent.append(letter)
            return Mailed()

    kept = Kept()
    await MarkedMail(kept).send(Letter("1@x", "a@x", "Việc hôm nay", "text"))
    assert kept.sent[0].subject == f"[{MARK}] Việc hôm nay"
    assert kept.sent[0].body.startswith(MARK)
