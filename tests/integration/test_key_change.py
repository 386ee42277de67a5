"""Keys and certificates are replaced under a running gateway."""

import asyncio
import ssl

import aiohttp

from gateway import app
from gateway.config import load
from tests.integration.test_app_life import prepared
from tests.world.tls_pairs import pair, put


def trusting(certificate):
    context = ssl.create_default_context(cadata=certificate.decode())
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


async def test_a_request_under_way_outlives_a_new_certificate(tmp_path):
    first, second = pair("one"), pair("two")
    put(tmp_path, *first)
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    async with app.running(load(config)) as gateway:
        kept = aiohttp.TCPConnector(limit=1)
        async with aiohttp.ClientSession(connector=kept) as session:
            old, new = trusting(first[0]), trusting(second[0])
            async with session.get(f"{gateway.url}/live", ssl=old) as answer:
                assert answer.status == 200
            put(tmp_path, *second)
            await gateway.keys.once(now=True)
            # The same connection goes on, under the certificate it began with.
            async with session.get(f"{gateway.url}/live", ssl=old) as answer:
                assert answer.status == 200
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{gateway.url}/live", ssl=new) as answer:
                assert answer.status == 200
            try:
                await session.get(f"{gateway.url}/live", ssl=old)
            except aiohttp.ClientError:
                refused = True
            assert refused


async def test_the_watch_runs_by_itself(tmp_path):
    first, second = pair("one"), pair("two")
    put(tmp_path, *first)
    config = prepared(tmp_path, head='tls_cert = "tls.pem"\ntls_key = "tls.key"\n')
    async with app.running(load(config)) as gateway, aiohttp.ClientSession() as session:
        put(tmp_path, *second)
        gateway.keys.ask()

        async def taken():
            try:
                async with session.get(f"{gateway.url}/live", ssl=trusting(second[0])) as answer:
                    return answer.status == 200
            except aiohttp.ClientError:
                return False

        async with asyncio.timeout(60):
            while True:
                if await taken():
                    break
                await asyncio.sleep(0.02)
