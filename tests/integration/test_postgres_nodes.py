"""Several nodes on one PostgreSQL ledger: numbers, feeds, lent rows, waking, lost connections."""

import asyncio
import contextlib
import json
import random
import threading
import time
from dataclasses import replace

import asyncpg
import pytest

from gateway.errors import ConfigurationError, UnavailableError
from gateway.ports import (
    Absent,
    ChangeSet,
    Committed,
    Conflict,
    Insert,
    NextNumber,
    Present,
    Update,
)
from gateway.receipts import log, merkle
from gateway.store.dialects import BEGIN_POSTGRES
from gateway.store.places import place_of
from gateway.store.postgres import connection
from gateway.store.postgres.connection import connect
from gateway.store.postgres.ledger import PostgresLedger
from tests.world import ledger_rows as rows
from tests.world.servers.commit_cutter import CommitCutter
from tests.world.servers.proxy import Proxy

PATIENCE_S = 60
COUNTERS = [NextNumber("n", f"H37.0{i}", 2026, "issue") for i in range(2)]


@pytest.fixture
def place(postgres_ledger_url):
    return place_of(postgres_ledger_url)


@pytest.fixture
async def opened(place):
    """Open any number of nodes; they end with the test."""
    made = []

    async def one(where=place, **more):
        ledger = PostgresLedger(where, **{"poll_s": 3600.0} | more)
        await ledger.open()
        made.append(ledger)
        return ledger

    yield one
    for ledger in made:
        await ledger.close()


@contextlib.asynccontextmanager
async def holding(place, **more):
    """A node that stands still with the write lock in its hands."""
    stranger = await connect(place, "stranger", **more)
    try:
        for text in BEGIN_POSTGRES:
            await stranger.execute(text)
        yield stranger
    finally:
        stranger.terminate()


async def waits_for_lock(place):
    """Return when some connection waits for a lock of another."""
    watcher = await connect(place, "watcher")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not await watcher.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
                pass
    finally:
        await watcher.close()


# ---------------------------------------------------------------- numbers and feeds


def one_set(node, i, dice):
    """A set that takes a number and writes to every feed, or refuses in one of the ways."""
    way = dice.choice(["good"] * 5 + ["guard", "unique", "expect"])
    number = dice.choice(COUNTERS)
    name = f"{node}-{i}"

    def then(numbers):
        told = json.dumps({"n": numbers["n"], "agency": number.agency})
        return [rows.event("given", data=told), *([rows.meta("taken")] if way == "unique" else [])]

    more = (Update("meta", {"key": "nobody"}, {"value": "1"}),) if way == "expect" else ()
    return way, ChangeSet(
        (rows.entry(name), rows.arrival(f"a{name}", f"d{name}"), rows.status(f"s{name}"), *more),
        (Absent("meta", {"key": "taken"}),) if way == "guard" else (),
        (number,),
        then,
    )


@pytest.mark.parametrize("nodes", [2, 4])
async def test_nodes_share_counters_log_and_feeds_without_a_gap(opened, nodes):
    ledgers = [await opened() for _ in range(nodes)]
    assert isinstance(await ledgers[0].commit(ChangeSet((rows.meta("taken"),))), Committed)
    dice = random.Random(nodes)
    work = [(n, *one_set(n, i, dice)) for i in range(120 // nodes) for n in range(nodes)]
    done = await asyncio.gather(*(ledgers[n].commit(change) for n, _, change in work))
    good = 0
    for (_, way, _), result in zip(work, done, strict=True):
        assert isinstance(result, Committed if way == "good" else Conflict), way
        good += way == "good"
    given = [json.loads(e["data"]) for e in await ledgers[-1].all("events_of", subject="given")]
    assert len(given) == good
    for number in COUNTERS:
        taken = sorted(g["n"] for g in given if g["agency"] == number.agency)
        assert taken == list(range(1, len(taken) + 1))
    await check_log(ledgers[0], good)
    events = await ledgers[0].all("events_of", subject="given")
    assert [e["seq"] for e in events] == list(range(1, good + 1))


async def check_log(ledger, size):
    """One chain, one tree, whoever wrote."""
    assert (await ledger.one("log_size"))["size"] == size
    found = await ledger.all("entries", first=0, last=size)
    placed = log.sequence(log.EMPTY, [e["body"].encode() for e in found])
    for entry, place in zip(found, placed, strict=True):
        assert (entry["idx"], entry["chain_hash"]) == (place.index, place.chain_hash.hex())
    nodes = {}
    for level, index, node in merkle.append((p.leaf_hash for p in placed), 0, lambda *k: nodes[k]):
        nodes[level, index] = node
        stored = await ledger.one("merkle_node", level=level, idx=index)
        assert stored == {"hash": node.hex()}


async def test_a_reader_of_the_inbox_never_skips_a_row(opened):
    writers, reader = [await opened() for _ in range(2)], await opened()
    ended = asyncio.Event()
    seen = []

    async def read():
        last = False
        while True:
            after = seen[-1][0] if seen else 0
            found = await reader.all("inbox", after=after, agencies='["H37.02"]', limit=7)
            seen.extend((row["inbox_seq"], row["id"]) for row in found)
            if last and not found:
                return
            last = ended.is_set()

    async def write(n):
        for i in range(25):
            name = f"{n}-{i}"
            await writers[n].commit(ChangeSet((rows.arrival(f"a{name}", f"d{name}"),)))

    reading = asyncio.create_task(read())
    await asyncio.gather(write(0), write(1))
    ended.set()
    await reading
    assert [seq for seq, _ in seen] == list(range(1, 51))
    assert len({name for _, name in seen}) == 50


async def test_a_guard_holds_against_another_node(opened):
    ledgers = [await opened() for _ in range(4)]
    # No unique key stands behind this guard: only the order of the writers does.
    guard = Absent("event", {"subject": "s", "type": "once"})
    once = ChangeSet((rows.event("s", kind="once"),), (guard,))
    done = await asyncio.gather(*(ledger.commit(once) for ledger in ledgers * 5))
    assert sum(isinstance(d, Committed) for d in done) == 1
    assert len(await ledgers[0].all("events_of", subject="s")) == 1


async def test_a_row_a_guard_leans_on_is_not_taken_away_meanwhile(opened):
    one, other = await opened(), await opened()
    for i in range(10):
        await one.commit(ChangeSet((rows.meta(f"k{i}", "free"),)))
        lean = ChangeSet(
            (rows.event(f"s{i}"),), (Present("meta", {"key": f"k{i}", "value": "free"}),)
        )
        take = ChangeSet((Update("meta", {"key": f"k{i}"}, {"value": "taken"}),))
        leant, _ = await asyncio.gather(one.commit(lean), other.commit(take))
        assert bool(await one.all("events_of", subject=f"s{i}")) is isinstance(leant, Committed)


async def test_what_one_node_committed_another_reads_at_once(opened):
    one, other = await opened(), await opened()
    for i in range(20):
        await one.commit(ChangeSet((rows.meta(f"k{i}"),)))
        assert await other.one("meta", key=f"k{i}") == {"value": "1"}


# ---------------------------------------------------------------- lending the outbox


async def test_a_lent_row_is_not_lent_to_another_node(opened):
    one, other = await opened(), await opened()
    await one.commit(ChangeSet(tuple(rows.outbox(ref) for ref in "abc")))
    async with one.drain(2) as first, other.drain(9) as second:
        assert [r["ref"] for r in first] == ["a", "b"]
        assert [r["ref"] for r in second] == ["c"]
        await one.commit(ChangeSet((rows.outbox("d"),)))  # lending holds up no commit
    async with other.drain(9) as left:
        assert [r["ref"] for r in left] == ["d"]


async def test_what_was_lent_to_a_node_that_died_comes_back(opened, place, postgres_server):
    one, other = await opened(), await opened()
    await one.commit(ChangeSet((rows.outbox("a"),)))
    with pytest.raises(UnavailableError):  # noqa: PT012 - it is the end of the block that fails
        async with one.drain(9) as lent:
            assert len(lent) == 1
            postgres_server.sql(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
                "WHERE application_name = 'vanlien dispatch'"
            )
    async with other.drain(9) as lent:
        assert [r["ref"] for r in lent] == ["a"]
    async with one.drain(9) as lent:
        assert lent == []


# ---------------------------------------------------------------- waking


async def test_a_commit_wakes_every_node(opened):
    woken = [asyncio.Event(), asyncio.Event()]
    one = await opened(on_outbox=woken[0].set)
    await opened(on_outbox=woken[1].set)
    await one.commit(ChangeSet((rows.outbox("x"),)))
    for event in woken:
        await asyncio.wait_for(event.wait(), PATIENCE_S)


async def test_a_listener_that_lost_its_connection_listens_again(opened, postgres_server):
    woken = asyncio.Event()
    one = await opened()
    await opened(on_outbox=woken.set)
    postgres_server.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE application_name = 'vanlien listener'"
    )
    # On its return it looks by itself: nobody knows what was said meanwhile.
    await asyncio.wait_for(woken.wait(), PATIENCE_S)
    woken.clear()
    await one.commit(ChangeSet((rows.outbox("x"),)))
    await asyncio.wait_for(woken.wait(), PATIENCE_S)


async def test_a_node_whose_loop_is_busy_holds_up_no_commit(opened, place, postgres_server):
    """The write lock is everybody's: it must not wait for what one node's programs are doing."""
    ledger = await opened()
    going = asyncio.create_task(ledger.commit(ChangeSet((rows.meta("k"),))))
    await asyncio.sleep(0)  # handed over
    end = time.monotonic() + PATIENCE_S
    look = "SELECT value FROM vanlien.meta WHERE key = 'k'"
    while postgres_server.sql(look, place.database) != "1":  # and the loop has no turn meanwhile
        assert time.monotonic() < end
    assert not going.done()
    assert isinstance(await going, Committed)


async def test_without_a_notice_it_looks_all_the_same(opened):
    woken = asyncio.Event()
    await opened(on_outbox=woken.set, poll_s=0.01)
    await asyncio.wait_for(woken.wait(), PATIENCE_S)


# ---------------------------------------------------------------- who holds the lock


async def test_a_node_that_dies_with_the_lock_gives_it_up(opened, place):
    ledger = await opened()
    async with holding(place) as stranger:
        await stranger.execute("INSERT INTO meta VALUES ('half', 'done')")
        going = asyncio.create_task(ledger.commit(ChangeSet((rows.meta("k"),))))
        await waits_for_lock(place)
        assert not going.done()
    assert isinstance(await going, Committed)
    assert await ledger.one("meta", key="half") is None


async def test_a_node_that_stands_still_with_the_lock_is_ended(opened, place):
    ledger = await opened()
    async with holding(place, idle_s=2.0) as stranger:  # it must get as far as the lock
        assert isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Committed)
        with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError)):
            await stranger.execute("SELECT 1")


async def test_what_waits_for_the_lock_goes_as_one_batch(opened, place, postgres_server):
    ledger = await opened()
    before = ledger._writer.batches
    async with holding(place):
        going = [
            asyncio.create_task(ledger.commit(ChangeSet((rows.meta(f"k{i}"),)))) for i in range(50)
        ]
        await waits_for_lock(place)
    assert all(isinstance(d, Committed) for d in await asyncio.gather(*going))
    assert ledger._writer.batches - before == 1


async def test_a_lock_never_given_up_is_said(opened, place, monkeypatch):
    monkeypatch.setitem(connection._LIVENESS, "lock_timeout", "50")
    ledger = await opened()
    async with holding(place):
        with pytest.raises(UnavailableError, match="cannot commit"):
            await ledger.commit(ChangeSet((rows.meta("k"),)))
    assert isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Committed)


# ---------------------------------------------------------------- in doubt


@pytest.fixture
async def cutter(place):
    made = CommitCutter(place.port)
    port = await made.start()
    yield made, replace(place, port=port)
    await made.close()


async def test_a_commit_whose_answer_was_lost_is_found_committed(cutter, opened):
    proxy, through = cutter
    ledger = await opened(through)
    proxy.cut = "behind"
    done = await ledger.commit(ChangeSet((rows.meta("k"),), numbers=(COUNTERS[0],)))
    assert (done, proxy.cuts) == (Committed({"n": 1}), 1)
    assert await ledger.one("meta", key="k") == {"value": "1"}
    assert (await ledger.commit(ChangeSet(numbers=(COUNTERS[0],)))).numbers == {"n": 2}


async def test_a_commit_that_never_arrived_is_not_said_to_be_one(cutter, opened):
    proxy, through = cutter
    ledger = await opened(through)
    await ledger.commit(ChangeSet(numbers=(COUNTERS[0],)))
    proxy.cut = "before"
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet((rows.meta("k"),), numbers=(COUNTERS[0],)))
    assert proxy.cuts == 1
    assert await ledger.one("meta", key="k") is None
    assert (await ledger.commit(ChangeSet(numbers=(COUNTERS[0],)))).numbers == {"n": 2}


async def test_in_doubt_with_nobody_to_ask_nothing_is_promised(cutter, opened, monkeypatch):
    proxy, through = cutter
    monkeypatch.setattr("gateway.store.postgres.writer._DOUBT_S", 0.2)
    ledger = await opened(through)
    proxy.cut, proxy.down = "behind", True
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet((rows.meta("k"),)))
    with pytest.raises(UnavailableError):
        await ledger.commit(ChangeSet((rows.meta("l"),)))
    proxy.down = False
    # It had been committed: whoever repeats finds it.
    assert isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Conflict)


async def test_a_server_that_does_not_answer_is_given_up_and_found_again(
    opened, place, monkeypatch
):
    async with Proxy.to(place.port) as proxy:
        with monkeypatch.context() as impatient:
            impatient.setitem(connect.__kwdefaults__, "call_s", 0.5)
            impatient.setattr("gateway.store.places._CONNECT_S", 0.5)
            impatient.setattr("gateway.store.postgres.writer._DOUBT_S", 0.5)
            through = replace(place, port=proxy.port)
            ledger = PostgresLedger(through, poll_s=3600.0)
            async with asyncio.timeout(PATIENCE_S):  # a slow machine is not a dead server
                while True:
                    with contextlib.suppress(UnavailableError):
                        await ledger.open()
                        break
            proxy.stall()
            with pytest.raises(UnavailableError):
                await ledger.commit(ChangeSet((rows.meta("k"),)))
            with pytest.raises(UnavailableError):
                await ledger.one("meta", key="k")
        proxy.heal()
        assert await ledger.one("meta", key="l") is None
        assert isinstance(await ledger.commit(ChangeSet((rows.meta("l"),))), Committed)
        await ledger.close()


async def test_marks_of_writers_long_gone_are_swept_and_young_ones_stay(opened, place):
    old, young = "writer:000000000001dead", f"writer:{int(time.time()):012d}young"
    first = await opened()
    await first.commit(ChangeSet((rows.meta(old, "batch 1"), rows.meta(young, "batch 1"))))
    await opened()
    assert await first.one("meta", key=old) is None
    assert await first.one("meta", key=young) == {"value": "batch 1"}


async def test_connections_the_server_closed_are_opened_again(opened, postgres_server):
    ledger = await opened()
    await ledger.commit(ChangeSet((rows.meta("k"),)))
    await ledger.one("meta", key="k")
    postgres_server.sql(
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
        "WHERE application_name LIKE 'vanlien %'"
    )
    assert await ledger.one("meta", key="k") == {"value": "1"}
    assert isinstance(await ledger.commit(ChangeSet((rows.meta("l"),))), Committed)


# ---------------------------------------------------------------- which server


async def test_a_server_that_forgets_is_refused(place):
    where = replace(place)
    admin = await asyncpg.connect(**place.options("admin"))
    try:
        await admin.execute(f"ALTER DATABASE {place.database} SET vanlien.test = off")
        with pytest.raises(ConfigurationError) as refused:
            await PostgresLedger(where).open()
        assert "fsync = on" in str(refused.value)
        assert "full_page_writes = on" in str(refused.value)
    finally:
        await admin.execute(f"ALTER DATABASE {place.database} RESET vanlien.test")
        await admin.close()


async def test_a_server_that_only_reads_is_refused_for_now(place):
    admin = await asyncpg.connect(**place.options("admin"))
    try:
        await admin.execute(
            f"ALTER DATABASE {place.database} SET default_transaction_read_only = on"
        )
        with pytest.raises(UnavailableError, match="standby"):
            await PostgresLedger(place).open()
    finally:
        await admin.execute("SET default_transaction_read_only = off")
        await admin.execute(f"ALTER DATABASE {place.database} RESET default_transaction_read_only")
        await admin.close()


async def test_a_pooler_before_the_server_is_refused(cutter):
    proxy, through = cutter
    proxy.pools = True
    with pytest.raises(ConfigurationError, match="not to a pooler"):
        await PostgresLedger(through).open()
    proxy.pools = False
    ledger = PostgresLedger(through)
    await ledger.open()
    await ledger.close()


async def test_limits_set_for_people_end_nobody_who_waits_his_turn(opened, place, postgres_server):
    limits = ("statement_timeout = 1", "idle_session_timeout = 1", "lock_timeout = 1")
    name = place.database
    try:
        for limit in limits:
            postgres_server.sql(f"ALTER DATABASE {name} SET {limit}")
        ledger = await opened()
        async with holding(place):
            going = asyncio.create_task(ledger.commit(ChangeSet((rows.meta("k"),))))
            await waits_for_lock(place)
            await asyncio.sleep(0.05)  # long past those limits
            assert not going.done()
        assert isinstance(await going, Committed)
    finally:
        postgres_server.sql(f"ALTER DATABASE {name} RESET ALL")


async def test_a_server_without_room_for_another_connection_is_said(opened, place, postgres_server):
    postgres_server.sql(
        "CREATE ROLE few LOGIN CONNECTION LIMIT 2; GRANT ALL ON SCHEMA vanlien TO few; "
        "GRANT ALL ON ALL TABLES IN SCHEMA vanlien TO few; "
        "GRANT ALL ON ALL SEQUENCES IN SCHEMA vanlien TO few",
        place.database,
    )
    try:
        ledger = await opened(replace(place, user="few"))  # a writer and a listener
        with pytest.raises(UnavailableError, match="cannot be"):
            await ledger.one("meta", key="k")
        assert isinstance(await ledger.commit(ChangeSet((rows.meta("k"),))), Committed)
        postgres_server.sql("ALTER ROLE few CONNECTION LIMIT 9")
        assert await ledger.one("meta", key="k") == {"value": "1"}
        await ledger.close()
    finally:
        postgres_server.sql("DROP OWNED BY few; DROP ROLE few", place.database)


async def test_nobody_there_is_unavailable(place):
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await PostgresLedger(replace(place, port=1)).open()
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await PostgresLedger(replace(place, database="nobody")).open()


async def test_ids_beyond_32_bits_and_text_in_byte_order(opened, postgres_server, place):
    ledger = await opened()
    big = Insert("counter", {"agency": "A", "year": 2026, "series": "s", "last": 2**40})
    await ledger.commit(ChangeSet((big,)))
    number = NextNumber("n", "A", 2026, "s")
    assert (await ledger.commit(ChangeSet(numbers=(number,)))).numbers == {"n": 2**40 + 1}
    names = ["a", "B", "Đ", "á", "~", "local:x", "local;"]
    await ledger.commit(
        ChangeSet(
            tuple(
                Insert("agency", {"code": n, "name": n, "status": "active", "updated_at": rows.AT})
                for n in names
            )
        )
    )
    found = [row["code"] for row in await ledger.all("agencies")]
    assert found == sorted(names, key=str.encode)


async def test_a_set_that_waits_while_it_is_built_holds_nobody_else_up(opened):
    """A receipt signed by a token takes its time: the loop goes on meanwhile."""
    ledger = await opened()
    loop = asyncio.get_running_loop()
    signing, signed = asyncio.Event(), threading.Event()

    def then(numbers):
        loop.call_soon_threadsafe(signing.set)
        assert signed.wait(PATIENCE_S)
        return [rows.meta("signed", str(numbers["n"]))]

    going = asyncio.create_task(ledger.commit(ChangeSet(numbers=COUNTERS[:1], then=then)))
    async with asyncio.timeout(PATIENCE_S):
        await signing.wait()  # the loop turns while the token signs
        assert await ledger.all("outbox", limit=1) == []
        signed.set()
        assert isinstance(await going, Committed)
