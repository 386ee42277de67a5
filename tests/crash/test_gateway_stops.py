"""How a real server ends: asked to, refused a start, or brought down by a program of its own."""

import asyncio
import json
import os
import signal
import socket
import sys

import pytest

from tests.world.crashhouse import crashhouse
from tests.world.gatehouse import packet
from tests.world.nursery import ROOT

pytestmark = [pytest.mark.crash, pytest.mark.timeout(180)]

DYING = """
import sys
from gateway.__main__ import main
from gateway.programs.janitor import Janitor

async def run(self):
    raise ValueError("a bug")

Janitor.run = run
sys.exit(main(sys.argv[1:]))
"""


async def run_to_its_end(*args, **environ):
    process = await asyncio.create_subprocess_exec(
        sys.executable, *args, cwd=ROOT, env=os.environ | environ,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
async def test_a_request_under_way_is_answered_before_the_end(tmp_path, name):
    async with crashhouse(tmp_path) as house:
        await house.start()
        body = packet("1")
        half = asyncio.Event()

        async def slowly():
            yield body[:200]
            await half.wait()
            yield body[200:]

        headers = {
            "Authorization": f"Bearer {house.systems['snv'].key}",
            "Content-Type": "application/xml",
        }
        url = f"{house.url}/api/v1/documents"
        post = asyncio.create_task(house.session.post(url, data=slowly(), headers=headers))
        for _ in range(4):  # other systems' short questions come and go; this one stays
            await house.until(lambda: in_flight(house), "the request did not begin")
        house.child.signal(name)
        await house.until(lambda: refuses_connections(house.url), "it still listens")
        assert house.child.code is None
        half.set()
        answer = await post
        assert answer.status == 202
        accepted = await answer.json()
        assert await house.child.ended() == 0
        house.check()
        (row,) = house.rows("SELECT id FROM consignment")
        assert row["id"] == accepted["id"]
        assert house.rows("SELECT MAX(size) FROM tree_head")[0][0] > 0


async def test_asked_to_stop_it_says_so_first_and_serves_on_and_asked_twice_it_ends(tmp_path):
    async with crashhouse(tmp_path) as house:
        settings = house.config.read_text()
        house.config.write_text(settings + '\n[node]\ndrain = "10 m"\n')
        await house.start()
        house.child.signal(signal.SIGTERM)

        async def leaving():
            async with house.session.get(f"{house.url}/ready") as answer:
                return answer.status == 503 and (await answer.json())["checks"]["server"]

        assert await house.until(leaving, "it does not say that it leaves") == "closing"
        house.send("H37.04")
        await house.until(lambda: len(house.accepted) == 1, "it serves nobody any more")
        assert house.child.code is None
        house.child.signal(signal.SIGTERM)
        assert await house.child.ended() == -signal.SIGTERM
        house.check()
        house.config.write_text(settings)
        await house.start()
        await house.calm()
        await house.stop()
        house.check_end()


async def in_flight(house):
    async with house.session.get(f"{house.url}/metrics") as answer:
        text = await answer.text()
    count = next(x for x in text.splitlines() if x.startswith("vanlien_requests_in_flight "))
    return float(count.split()[1]) >= 2  # the one under way, and this question


def refuses_connections(url):
    host, port = url.removeprefix("http://").split(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except ConnectionRefusedError:
        return True
    return False


async def test_a_second_server_on_the_same_folder_is_refused(tmp_path):
    async with crashhouse(tmp_path) as house:
        await house.start()
        serve = ("-m", "gateway", "serve", "--config", str(house.config))
        code, out, err = await run_to_its_end(*serve)
        assert code == 64
        assert not out
        assert "another vanlien" in err
        assert "tiến trình vanlien khác" in err
        assert "Traceback" not in err
        assert await is_ready(house)
        await house.stop()
        await house.start()  # the lock is let go with the process
        await house.stop()


async def is_ready(house):
    async with house.session.get(f"{house.url}/ready") as answer:
        return (await answer.json())["ready"]


async def test_a_taken_port_is_an_operators_fault(tmp_path):
    async with crashhouse(tmp_path) as house:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = str(taken.getsockname()[1])
            serve = ("-m", "gateway", "serve", "--config", str(house.config), "--port", port)
            code, _, err = await run_to_its_end(*serve)
        assert code == 64
        assert f"127.0.0.1:{port}" in err
        assert "không lắng nghe được" in err
        assert "Traceback" not in err
        await house.start()  # nothing of the failed start is in the way
        await house.stop()


async def test_bad_settings_are_all_told(tmp_path):
    config = tmp_path / "vanlien.toml"
    config.write_text('[gateway]\ncode = "?"\n[http]\nport = 99999\nhsot = "x"\n')
    code, out, err = await run_to_its_end("-m", "gateway", "serve", "--config", str(config))
    assert (code, out) == (64, "")
    for where in ("gateway.code", "http.port", "http.hsot"):
        assert where in err


async def test_without_a_ledger_it_says_what_to_do(tmp_path):
    async with crashhouse(tmp_path) as house:
        house.ledger.unlink()
        serve = ("-m", "gateway", "serve", "--config", str(house.config))
        code, _, err = await run_to_its_end(*serve)
        assert code == 64
        assert "vanlien init" in err or "ledger" in err


async def test_a_program_that_dies_takes_the_server_down_and_a_restart_heals(tmp_path):
    async with crashhouse(tmp_path) as house:
        house.send("H37.04")
        serve = ("-c", DYING, "serve", "--config", str(house.config))
        code, _, err = await run_to_its_end(*serve)
        assert code == 70
        alarms = [json.loads(x) for x in err.splitlines() if '"alarm"' in x]
        assert [a["what"] for a in alarms] == ["janitor"]
        assert "a program of the gateway died" in err
        assert "Traceback" not in err
        await house.start()
        await house.calm()
        await house.stop()
        house.check_end()
