"""A disk that takes nothing any more: said at once, nobody told "accepted", and then it heals."""

import resource

import pytest

from tests.world.crashhouse import crashhouse

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]


def limit_files(house, size):
    """Let the server's files grow no further than `size` bytes, log file included."""
    resource.prlimit(house.child.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def ready(house):
    async with house.session.get(f"{house.url}/ready") as answer:
        return answer.status, await answer.json()


async def is_ready(house, wanted):
    return (await ready(house))[0] == wanted


async def has_stumbled(house):
    async with house.session.get(f"{house.url}/metrics") as answer:
        return 'vanlien_alarms_total{what="program-nodes"}' in await answer.text()


async def test_not_ready_while_nothing_can_be_written_and_ready_again_after(tmp_path):
    async with crashhouse(tmp_path) as house:
        await house.start()
        house.send("H37.04")
        house.send("G09", size=100_000)
        await house.calm()
        assert (await ready(house))[0] == 200

        limit_files(house, 0)
        await house.until(lambda: is_ready(house, 503), "it says that it is ready")
        _, said = await ready(house)
        assert said["checks"]["ledger"].startswith("cannot commit")
        assert said["checks"]["blobs"].startswith("cannot write")
        for size in (20, 100_000):
            house.send("H37.04", "G09", size=size)
        name = max(house.wanted, key=int)
        for _ in range(3):
            headers = {"Content-Type": "application/xml", "Idempotency-Key": f"key-{name}"}
            status, problem = await house._call(
                "POST", "/documents", "snv", data=house.wanted[name], headers=headers
            )
            assert status == 503, problem
            assert problem["reason"] == "unavailable"
        # What is on record can still be asked for.
        status, page = await house._call("GET", "/documents", "snv")
        assert (status, len(page["items"])) == (200, 2)
        async with house.session.get(f"{house.url}/live") as live:
            assert live.status == 200
        async with house.session.get(f"{house.url}/metrics") as metrics:
            assert metrics.status == 200
        # A program that had to commit stumbled, and goes on.
        await house.until(lambda: has_stumbled(house), "nobody noticed")
        assert house.child.code is None
        assert len(house.accepted) == 2

        limit_files(house, resource.RLIM_INFINITY)
        await house.until(lambda: is_ready(house, 200), "it does not heal")
        await house.send_in()
        await house.calm()
        await house.stop()
        house.check_end()
        assert len(house.accepted) == 4
