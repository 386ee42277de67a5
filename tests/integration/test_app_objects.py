"""A whole gateway whose blobs lie in an object store, and what it says when the store is away."""

import hashlib
import io
import os

from gateway import stores
from gateway.store.blobs import FolderBlobs
from tests.world.gatehouse import gatehouse, packet


def settings_for(server, folder):
    bucket = server.bucket()
    for name in ("access", "secret"):
        (folder / f"s3-{name}").write_text("khoa-thu\n")
        (folder / f"s3-{name}").chmod(0o600)
    return bucket, (
        f'[blobs]\nurl = "s3://{bucket}/kho"\nendpoint = "{server.url}"\nallow_http = true\n'
        'access_key_file = "s3-access"\nsecret_key_file = "s3-secret"\ntimeout = "5 s"\n'
    )


async def test_a_document_goes_out_and_stays_the_same(s3_store, tmp_path):
    bucket, extra = settings_for(s3_store, tmp_path)
    small, large = (os.urandom(n).hex().encode() for n in (2500, 3_000_000))
    files = (("a.txt", b"xin chao"), ("b.txt", small), ("c.txt", large))
    async with gatehouse(tmp_path, axis=True, extra=extra) as house:
        sent = packet("1", to=("H37.04", "G09"), files=files)
        status, accepted, _ = await house.send(io.BytesIO(sent))
        assert status == 202, accepted
        (item,) = await house.inbox("stc")
        for index, data in enumerate(d for _, d in files):
            path = f"/inbox/{item['id']}/attachments/{index}"
            status, got, _ = await house.call("GET", path, "stc")
            assert (status, hashlib.sha256(got).digest()) == (200, hashlib.sha256(data).digest())
        await house.state(accepted["id"], "G09", "handed_over", "arrived")
        # The same submission again finds its answer.
        assert (await house.send(io.BytesIO(sent)))[0] in {200, 202}
        await house.gateway.janitor.slow()
    names = s3_store.order("keys", bucket=bucket)
    assert (
        f"kho/{hashlib.sha256(large).hexdigest()[:2]}/{hashlib.sha256(large).hexdigest()}" in names
    )
    # Nothing is left on this machine but empty working folders.
    assert not [p for p in (tmp_path / "data" / "blobs").rglob("*") if p.is_file()]


async def test_while_the_store_is_away_nothing_is_accepted_and_it_comes_back(s3_store, tmp_path):
    bucket, extra = settings_for(s3_store, tmp_path)
    async with gatehouse(tmp_path, extra=extra) as house:
        s3_store.order("plan", method="PUT", do="slow-down", match=bucket, times=10_000)
        status, said, _ = await house.send(packet("1"))
        assert status == 503, said
        async with house.session.get(f"{house.url}/ready") as ready:
            assert (ready.status, "blobs" in await ready.text()) == (503, True)
        s3_store.order("calm")
        status, accepted, _ = await house.send(packet("1"))
        assert status == 202, accepted


async def test_a_shared_folder_holds_no_database(tmp_path):
    async with gatehouse(tmp_path, extra="[blobs]\nshared = true\n") as house:
        assert isinstance(house.gateway.blobs, FolderBlobs)
        status, accepted, _ = await house.send(packet("1"))
        assert status == 202, accepted
        await house.inbox("stc")
        assert not list((tmp_path / "data" / "blobs").glob("*.sqlite*"))
        with stores.open_operations(tmp_path / "vanlien.toml") as operations:
            assert operations.queue() == []
