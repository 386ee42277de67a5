"""Backup beside a running gateway, the life of one restored from an old backup (OPS-03)."""

import asyncio
import contextlib
import gzip
import json
import os
import resource
import shutil
import signal
import sqlite3

import pytest
from sqlalchemy import Column, MetaData, String, Table

from gateway import keeping, stores
from gateway.__main__ import main
from gateway.backup import form, restore
from gateway.backup.make import Source, copy_keys, make
from gateway.backup.verify import verify
from gateway.cli import frame
from gateway.clock import SystemClock
from gateway.config import load
from gateway.datafolder import take_lock
from gateway.domain.access import Role
from gateway.errors import ConfigurationError
from gateway.keys.receiptkey import signing_now
from gateway.policies import receipt_keys_of
from gateway.store.schema import metadata
from tests.world.gatehouse import gatehouse, packet, write_config
from tests.world.outgoing import upload


def text_of(size):
    return os.urandom(size // 2).hex().encode()


def back_up(folder, *targets, keep=4):
    settings = load(folder / "vanlien.toml")
    return keeping.back_up(settings, targets, keep=keep, by="test", config=folder / "vanlien.toml")


def faults_of(target):
    """Return the files a check finds damaged in the newest backup of a target."""
    try:
        return [file for file, _, _ in verify(form.chosen(target), {}).faults]
    except form.DamagedBackupError as exc:
        return [exc.file]


def target_in(tmp_path, name="target"):
    target = tmp_path / name
    target.mkdir()
    return target


def like(folder, new):
    """Make an empty gateway with the same settings and keys."""
    new.mkdir()
    for name in ("keys", "keys-axis"):
        if (folder / name).exists():
            shutil.copytree(folder / name, new / name)
    (new / "trust").mkdir()
    shutil.copy(folder / "vanlien.toml", new / "vanlien.toml")
    return load(new / "vanlien.toml")


def bytes_in(folder):
    return b"".join(
        gzip.decompress(p.read_bytes()) if p.suffix == ".gz" else p.read_bytes()
        for p in folder.rglob("*")
        if p.is_file()
    )


def rows_of(path):
    with sqlite3.connect(path) as ledger:
        names = [n for (n,) in ledger.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        found = {
            name: sorted(map(repr, ledger.execute(f'SELECT * FROM "{name}"')))
            for name in names
            if not name.startswith("sqlite_")
        }
    ledger.close()
    return found


@pytest.fixture
async def lived(tmp_path):
    """A gateway that took three documents and was stopped; its folder."""
    folder = tmp_path / "g"
    folder.mkdir()
    async with gatehouse(folder) as house:
        for number in range(3):
            files = (("a.txt", text_of(100)), ("b.txt", text_of(200_000)))
            status, accepted, _ = await house.send(packet(str(number), files=files))
            assert status == 202, accepted
        await house.inbox("stc", 3)
        await house.visitor("lan", Role.CLERK, "H37.61")
    return folder


# ---------------------------------------------------------------- making


async def test_what_is_restored_is_what_was_backed_up(lived, tmp_path):
    target = target_in(tmp_path)
    before = rows_of(lived / "data" / "ledger.sqlite")
    (made,) = await asyncio.to_thread(back_up, lived, target)
    assert made.good
    backup = form.chosen(target)
    settings = like(lived, tmp_path / "n")
    done = await asyncio.to_thread(
        keeping.put_back, settings, backup, keeping.trusted(settings), by="test"
    )
    after = rows_of(settings.ledger.path)
    grown = {"meta", "event", "receipt_entry", "merkle_node"}
    for table in before.keys() - grown - {"account_session"}:
        assert after[table] == before[table], table
    # Nobody who was signed out after the backup is signed in again.
    assert ["'restored'" in row for row in after["account_session"]] == [True]
    for table in grown - {"meta"}:
        assert set(before[table]) < set(after[table])
    assert done.blobs == backup.manifest["blobs"] > 3
    with keeping.opened(settings) as ledger:
        stands = ledger.restored()
    assert (stands["backup"], stands["tree_size"]) == (backup.id, backup.manifest["log"]["size"])


async def test_a_clerks_draft_and_its_file_are_there_again(tmp_path):
    folder = tmp_path / "g"
    folder.mkdir()
    async with gatehouse(folder) as house:
        clerk = await house.visitor("lan", Role.CLERK, "H37.61")
        await clerk.get("/outgoing/new")
        begun = await clerk.post("/outgoing/drafts", {"agency": "H37.61"})
        draft = begun.location.removeprefix("/console")
        await clerk.get(draft)
        added = await upload(clerk, draft, ("du-thao.txt", b"Du thao cong van"))
        assert added.status == 303, added.words
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, folder, target)
    new = tmp_path / "n"
    settings = like(folder, new)
    await asyncio.to_thread(
        keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="test"
    )
    assert (
        rows_of(settings.ledger.path)["draft"]
        == rows_of(folder / "data" / "ledger.sqlite")["draft"]
    )
    assert b"Du thao cong van" in bytes_in(new / "data" / "blobs")


async def test_a_second_backup_copies_only_what_is_new(lived, tmp_path):
    target = target_in(tmp_path)
    (first,) = await asyncio.to_thread(back_up, lived, target)
    (second,) = await asyncio.to_thread(back_up, lived, target)
    assert first.copied >= first.blobs
    assert second.blobs == first.blobs
    assert second.copied == 1  # the settings file
    assert {p.stat().st_mode & 0o077 for p in target.iterdir() if p.is_dir()} == {0}
    assert [b.id for b in form.finished(target)] == [first.id, second.id]


async def test_only_so_many_are_kept_and_their_bytes_stay(lived, tmp_path):
    target = target_in(tmp_path)
    ids = [(await asyncio.to_thread(back_up, lived, target, keep=2))[0].id for _ in range(3)]
    assert [b.id for b in form.finished(target)] == ids[1:]
    # Bytes that no kept backup names go, those that one names stay.
    stray = form.pooled(target, "00" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"x")
    (last,) = await asyncio.to_thread(back_up, lived, target, keep=1)
    assert not stray.exists()
    settings = load(lived / "vanlien.toml")
    found = verify(form.chosen(target), keeping.trusted(settings))
    assert (found.faults, found.backup.id) == ([], last.id)


async def test_gateways_that_share_a_target_leave_each_others_backups(lived, tmp_path):
    target = target_in(tmp_path)
    (theirs,) = await asyncio.to_thread(back_up, lived, target)
    folder = tmp_path / "other"
    folder.mkdir()
    config = write_config(folder)
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace('code = "00.37.W00"', 'code = "00.38.W00"'), encoding="utf-8")
    ours = [(await asyncio.to_thread(back_up, folder, target, keep=1))[0].id for _ in range(2)]
    assert [b.id for b in form.finished(target)] == sorted([theirs.id, ours[1]])
    assert verify(form.read(target / theirs.id), keeping.trusted(load(lived / "vanlien.toml")))


@pytest.mark.parametrize("part", [form.BLOBS, form.MANIFEST])
async def test_an_older_backup_that_is_damaged_stops_no_new_one_and_loses_nothing(
    lived, tmp_path, part, capsys
):
    target = target_in(tmp_path)
    (old,) = await asyncio.to_thread(back_up, lived, target)
    file = target / old.id / part
    good = file.read_bytes()
    file.write_bytes(good[: len(good) // 2])
    before = {p.name for p in (target / "pool").rglob("*") if p.is_file()}
    (lived / "trust" / "mới.txt").write_text("x")
    told = ["backup", "--to", str(target), "--keep", "1", "--json"]
    for _ in range(2):
        assert main([*told, "--config", str(lived / "vanlien.toml")]) == 0
        (made,) = json.loads(capsys.readouterr().out)["targets"]
        assert (made["good"], made["damaged"]) == (True, [old.id])
        assert before <= {p.name for p in (target / "pool").rglob("*") if p.is_file()}
        if part == form.BLOBS:
            assert made["removed"] == [old.id]  # what it is can be read: it goes in its time
            return
    assert main(["backup", "list", str(target), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert (listed["damaged"], [b["id"] for b in listed["backups"]]) == ([old.id], [made["id"]])
    # A disk that could not be read for a while costs a good backup nothing.
    file.write_bytes(good)
    found = verify(form.read(target / old.id), keeping.trusted(load(lived / "vanlien.toml")))
    assert found.exit_code == 0


async def test_what_retention_took_meanwhile_is_not_called_missing(lived, tmp_path):
    """A backup of hours meets the daily purge: that is no damage, and no alarm every time."""
    target = target_in(tmp_path)
    settings = load(lived / "vanlien.toml")
    key, _ = signing_now(receipt_keys_of(settings), SystemClock().now())
    blobs = stores.open_blobs(settings)
    plain, taken = blobs.chunks, []

    def chunks(name):
        if not taken:
            taken.append(name)
            with contextlib.closing(sqlite3.connect(settings.ledger.path)) as ledger:
                ledger.execute("DELETE FROM blob_ref WHERE sha256 = ?", (name,))
                ledger.commit()
            blobs.delete_if_older(name, 0)
        return plain(name)

    blobs.chunks = chunks
    source = Source("x", "1", stores.ledger_place(settings), blobs, key, {}, None, {})
    (made,) = make(source, [target], keep=4, now=SystemClock().now)
    blobs.close()
    assert (made.good, made.missing, made.gone) == (True, [], taken)
    assert verify(form.chosen(target), {key.kid: key.public}).exit_code == 0


async def test_a_target_that_is_not_there_does_not_spoil_the_other(lived, tmp_path, capsys):
    target, gone = target_in(tmp_path), tmp_path / "not-mounted"
    config = str(lived / "vanlien.toml")
    told = ["backup", "--to", str(gone), "--to", str(target), "--json", "--config", config]
    assert await asyncio.to_thread(main, told) == frame.FAILURE
    first, second = json.loads(capsys.readouterr().out)["targets"]
    assert not first["good"]
    assert str(gone) in first["said"]
    assert second["good"]
    assert not gone.exists()
    with keeping.opened(load(lived / "vanlien.toml")) as ledger:
        assert ledger.last_backup()["good_id"] == second["id"]


async def test_a_full_disk_is_told_and_leaves_no_backup(lived, tmp_path):
    """No file grows beyond 64 KiB, the ledger's rows included."""
    target, full = target_in(tmp_path), target_in(tmp_path, "full")
    (good,) = await asyncio.to_thread(back_up, lived, target)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    try:
        settings = load(lived / "vanlien.toml")
        key, _ = signing_now(receipt_keys_of(settings), SystemClock().now())
        blobs = stores.open_blobs(settings)
        source = Source("x", "1", stores.ledger_place(settings), blobs, key, {}, None, {})
        (made,) = make(source, [full], keep=4, now=SystemClock().now)
        blobs.close()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert (made.id, made.good) == ("", False)
    assert made.vi
    assert form.finished(full) == []
    assert not [p for p in full.iterdir() if p.name.endswith(".part")]
    assert [b.id for b in form.finished(target)] == [good.id]


async def test_no_secret_is_in_a_backup(tmp_path):
    folder = tmp_path / "g"
    folder.mkdir()
    target = target_in(tmp_path)
    async with gatehouse(folder, axis=True) as house:
        status, accepted, _ = await house.send(packet("1", to=("H37.04", "G09")))
        assert status == 202, accepted
        # Somebody left keys where they do not belong.
        shutil.copy(folder / "keys" / "receipts.pem", folder / "trust" / "mine.pem")
        os.link(folder / "keys" / "secrets.key", folder / "trust" / "linked.pem")
        (made,) = await asyncio.to_thread(back_up, folder, target)
        keys = [system.key.split(".")[-1] for system in house.systems.values()]
        keys += [system.secret for system in house.systems.values()]
    assert made.good
    assert sorted(made.left_out) == ["trust/linked.pem", "trust/mine.pem"]
    everything = bytes_in(target)
    secret = (folder / "keys" / "secrets.key").read_bytes().strip()
    private = (folder / "keys" / "receipts.pem").read_bytes().splitlines()[1]
    for one in (secret, private, b"axis-secret", *(key.encode() for key in keys)):
        assert one not in everything
    assert form.chosen(target).manifest["keys_needed"]["peers[0].secret_file"] == "axis.secret"


def test_keys_are_copied_apart_and_for_nobody_else(tmp_path):
    folder = tmp_path / "g"
    folder.mkdir()
    write_config(folder)
    keys = keeping.key_files(load(folder / "vanlien.toml"))
    apart = tmp_path / "keys"
    names = copy_keys(keys, apart)
    assert names == ["receipts.key_file--receipts.pem", "secrets.key_file--secrets.key"]
    assert {p.stat().st_mode & 0o777 for p in apart.iterdir()} == {0o600}
    apart.chmod(0o755)
    with pytest.raises(PermissionError):
        copy_keys(keys, apart)


async def test_keys_never_go_into_a_target(lived, tmp_path, capsys):
    target = target_in(tmp_path)
    told = ["backup", "--to", str(target), "--keys-to", str(target / "khoa")]
    told += ["--config", str(lived / "vanlien.toml")]
    assert await asyncio.to_thread(main, told) == frame.USAGE
    assert "--keys-to" in capsys.readouterr().err
    assert form.finished(target) == []


# ---------------------------------------------------------------- checking


async def test_every_damage_is_named(lived, tmp_path, capsys):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    backup = form.chosen(target)
    pooled = sorted(p for p in (target / "pool").rglob("*") if p.is_file())
    files = [*(backup.folder / name for name in form.PARTS), pooled[0], pooled[-1]]
    files += [backup.folder / form.MANIFEST, backup.folder / form.SIGNATURE]
    pem = tmp_path / "pub.pem"
    pem.write_text(backup.manifest["receipt_key"]["public"])
    told = ["backup", "verify", str(target), "--key", str(pem), "--json"]
    assert main(told) == 0
    capsys.readouterr()
    for file in files:
        good = file.read_bytes()
        for bad in (good[:-1], bytes([good[0] ^ 1]) + good[1:], good + b"\n", None):
            file.unlink() if bad is None else file.write_bytes(bad)
            faults = faults_of(target)
            assert any(file.name in where for where in faults), (file, faults)
            file.write_bytes(good)
    files[0].write_bytes(files[0].read_bytes() + b"\n")
    assert main(told) == 1
    assert form.LEDGER in json.loads(capsys.readouterr().out)["faults"][0]["file"]
    files[0].write_bytes(files[0].read_bytes()[:-1])
    assert main(told) == 0
    capsys.readouterr()
    assert main([*told[:3], "--json"]) == 2


async def test_a_forged_manifest_is_a_verdict_never_a_crash(lived, tmp_path, capsys):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    path = form.chosen(target).folder / form.MANIFEST
    good = json.loads(path.read_bytes())
    for key in (*good, "log.size", "log.head"):
        for bad in (None, 7, "x", [], {}, {"size": "x"}):
            forged = json.loads(json.dumps(good))
            where, _, inner = key.partition(".")
            if inner:
                forged[where][inner] = bad
            else:
                forged[where] = bad
            path.write_text(json.dumps(forged))
            assert faults_of(target), (key, bad)
    for text in ("", "[]", "null", "{", "[" * 100_000):
        path.write_text(text)
        assert faults_of(target), text[:9]
    assert main(["backup", "verify", str(target), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["faults"]


async def test_nothing_is_laid_out_of_a_backup_before_it_was_checked(lived, tmp_path, capsys):
    target, new, keys = target_in(tmp_path), tmp_path / "new", tmp_path / "khoa"
    settings = load(lived / "vanlien.toml")
    copy_keys(keeping.key_files(settings), keys)
    await asyncio.to_thread(back_up, lived, target)
    told = ["restore", "from", str(target), "--to", str(new), "--json"]
    with_keys = [*told, "--keys-from", str(keys)]
    # Nobody knows whose it is.
    assert await asyncio.to_thread(main, told) == frame.USAGE
    assert "give --keys-from" in json.loads(capsys.readouterr().out)["error"]["message_en"]
    # The keys' own folder is not a copy of it.
    live = ["--keys-from", str(lived / "keys")]
    assert await asyncio.to_thread(main, [*told, *live]) == frame.USAGE
    assert "holds no receipt key" in json.loads(capsys.readouterr().out)["error"]["message_en"]
    # It is damaged.
    victim = min(p for p in (target / "pool").rglob("*") if p.is_file())
    good = victim.read_bytes()
    victim.write_bytes(b"other")
    assert await asyncio.to_thread(main, with_keys) == frame.FAILURE
    victim.write_bytes(good)
    # Somebody else signed it, and its settings would be his.
    write_config(tmp_path / "g" / "keys")
    stranger = tmp_path / "g" / "keys" / "keys" / "receipts.pem"
    strange = tmp_path / "strange"
    copy_keys({"receipts.key_file": stranger}, strange)
    assert await asyncio.to_thread(main, [*told, "--keys-from", str(strange)]) == frame.FAILURE
    assert not new.exists()
    capsys.readouterr()
    # The same command, once all is well; it was cut off in its middle once.
    new.mkdir()
    (new / ".restore-under-way").write_text(form.chosen(target).id)
    (new / "keys").mkdir()
    (new / "keys" / "receipts.pem").write_bytes(b"half a k")
    assert await asyncio.to_thread(main, with_keys) == 0
    assert json.loads(capsys.readouterr().out)["held"]
    assert not (new / ".restore-under-way").exists()
    assert await asyncio.to_thread(main, with_keys) == frame.USAGE


async def test_a_server_on_the_folder_and_a_restoration_exclude_each_other(lived, tmp_path):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    settings = like(lived, tmp_path / "n")
    lock = take_lock(settings.gateway.data_dir)
    with pytest.raises(ConfigurationError, match="another vanlien"):
        await asyncio.to_thread(
            keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="t"
        )
    os.close(lock)


async def test_a_damaged_backup_is_refused_before_anything_is_written(lived, tmp_path):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    victim = min(p for p in (target / "pool").rglob("*") if p.is_file())
    victim.write_bytes(b"other")
    settings = like(lived, tmp_path / "n")
    with pytest.raises(form.DamagedBackupError) as caught:
        await asyncio.to_thread(
            keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="t"
        )
    assert victim.name in caught.value.file
    assert rows_of(settings.ledger.path)["receipt_entry"] == []
    assert not [p for p in settings.blobs.dir.rglob("*") if len(p.name) == 64]


async def test_a_ledger_that_holds_anything_is_not_restored_into(lived, tmp_path):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    settings = load(lived / "vanlien.toml")
    before = rows_of(settings.ledger.path)
    with pytest.raises(ConfigurationError, match="holds data"):
        await asyncio.to_thread(
            keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="t"
        )
    assert rows_of(settings.ledger.path) == before


@pytest.mark.parametrize("came_later", ["came_later", "agency.came_later"])
async def test_a_backup_of_a_pre_release_restores_nothing(lived, tmp_path, monkeypatch, came_later):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    settings = like(lived, tmp_path / "n")
    ours = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(ours)
    where = came_later.removesuffix(".came_later")
    Table(where, ours, Column("came_later", String), extend_existing=True)
    monkeypatch.setattr(restore, "metadata", ours)
    with pytest.raises(ConfigurationError, match=f"it lacks {came_later}:"):
        await asyncio.to_thread(
            keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="t"
        )
    assert rows_of(settings.ledger.path)["receipt_entry"] == []


async def test_a_backup_of_strangers_is_refused(lived, tmp_path):
    target = target_in(tmp_path)
    await asyncio.to_thread(back_up, lived, target)
    new = tmp_path / "n"
    new.mkdir()
    write_config(new)
    settings = load(new / "vanlien.toml")
    with pytest.raises(form.DamagedBackupError, match="another key"):
        await asyncio.to_thread(
            keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="t"
        )


# ---------------------------------------------------------------- from one engine to the other


async def test_a_gateway_moves_from_sqlite_to_postgresql_and_back(
    lived, tmp_path, postgres_ledger_url
):
    first, second = target_in(tmp_path), target_in(tmp_path, "second")
    before = rows_of(lived / "data" / "ledger.sqlite")
    here, written = load(lived / "vanlien.toml"), []

    def writing(settings):
        """Write in the middle of a backup: it shows one moment, so none of that is in it."""

        def told(what, done, _total):
            if what == "ledger" and done in {2, 9}:
                with keeping.opened(settings) as ledger:
                    last = 800 + len(written)
                    ledger.set_counter("H37.04", 2026, "issue", last, reason="thử", by="test")
                written.append(last)

        return told

    def meddled(settings, target):
        return keeping.back_up(settings, [target], keep=4, by="test", progress=writing(settings))

    await asyncio.to_thread(meddled, here, first)
    assert written == [800, 801]
    there = like(lived, tmp_path / "p")
    there_config = tmp_path / "p" / "vanlien.toml"
    there_config.write_text(
        there_config.read_text(encoding="utf-8") + f'\n[ledger]\nurl = "{postgres_ledger_url}"\n',
        encoding="utf-8",
    )
    there = load(there_config)
    trusted = keeping.trusted(there)
    moved = form.chosen(first)
    await asyncio.to_thread(keeping.put_back, there, moved, trusted, by="test")
    # It is written to before it is backed up there: numbers the engine gives go on.
    with keeping.opened(there) as ledger:
        assert ledger.restored()["backup"] == moved.id
        ledger.reconcile([], by="test")
    (made,) = await asyncio.to_thread(meddled, there, second)
    assert made.good, made
    assert len(written) == 4
    home = form.chosen(second)
    assert verify(home, trusted).faults == []
    back = like(lived, tmp_path / "back")
    await asyncio.to_thread(keeping.put_back, back, home, trusted, by="test")
    after = rows_of(back.ledger.path)
    grown = {"meta", "event", "receipt_entry", "merkle_node", "tree_head"}
    ended = {"account_session", "account_link"}  # nobody is signed in after a restore
    for table in before.keys() - grown - ended:
        assert after[table] == before[table], table
    for table in ended:
        assert len(after[table]) == len(before[table]), table
    assert all("'restored'" in row for row in after["account_session"])
    for table in grown - {"meta"}:
        assert set(before[table]) <= set(after[table])


# ---------------------------------------------------------------- by itself, beside the server


async def test_a_server_makes_its_own_and_records_it(tmp_path):
    folder, target = tmp_path / "g", target_in(tmp_path)
    folder.mkdir()
    extra = f'[backup]\nto = ["{target}", "not-mounted"]\n'
    async with gatehouse(folder, extra=extra) as house:

        async def recorded():
            row = await house.row("meta", key="backup")
            return row and json.loads(row["value"]).get("good_id")

        good_id = await house.until(recorded)
        async with house.session.get(f"{house.url}/ready") as ready:
            assert (await ready.json())["checks"]["backup"].startswith("ok (20")
    (made,) = form.finished(target)
    assert made.id == good_id
    settings = load(folder / "vanlien.toml")
    assert verify(made, keeping.trusted(settings)).exit_code == 0
    # It knows its own settings file, and keeps that too.
    assert "settings" in {k.root for k in form.files_of(made)}


async def test_a_password_in_an_address_is_struck_out(lived, tmp_path):
    target = target_in(tmp_path)
    (lived / "trust" / "seal.p12").write_bytes(b"\x30\x82")  # no header tells that it is a key
    config = lived / "vanlien.toml"
    text = config.read_text(encoding="utf-8")
    config.write_text(f"# amqp://me:x@mat-khau@10.0.0.9/vh\n{text}", encoding="utf-8")
    (made,) = await asyncio.to_thread(back_up, lived, target)
    assert made.left_out == ["trust/seal.p12"]
    assert b"amqp://me:***@10.0.0.9/vh" in bytes_in(target)
    assert b"mat-khau" not in bytes_in(target)


async def test_a_blob_that_is_gone_is_named_and_the_rest_is_kept(lived, tmp_path, capsys):
    target = target_in(tmp_path)
    large = min(p for p in (lived / "data" / "blobs").rglob("*") if len(p.name) == 64)
    good = large.read_bytes()
    for bad in (good[:-1], None):
        large.unlink() if bad is None else large.write_bytes(bad)
        (made,) = await asyncio.to_thread(back_up, lived, target)
        assert (made.good, made.missing) == (False, [large.name])
        backup = form.chosen(target)
        assert verify(backup, {}).faults == []
        assert large.name not in {name for name, _ in form.blobs_of(backup)}
    # Restored, each row that lacks its bytes is named.
    settings = like(lived, tmp_path / "n")
    done = await asyncio.to_thread(
        keeping.put_back, settings, form.chosen(target), keeping.trusted(settings), by="test"
    )
    kinds = {row["kind"] for row in done.lacking}
    assert {row["sha256"] for row in done.lacking} == {large.name}
    assert kinds <= {"consignment", "arrival", "transfer", "inbound"}
    assert all(row["document_id"] for row in done.lacking if row["kind"] != "inbound")
    large.write_bytes(good)
    (whole,) = await asyncio.to_thread(back_up, lived, target)
    assert whole.good
    # The last one that lacks nothing is never removed, however few are kept.
    large.unlink()
    form.pooled(target, large.name).unlink()
    (made,) = await asyncio.to_thread(back_up, lived, target, keep=1)
    assert not made.good
    assert [b.id for b in form.finished(target)] == [whole.id, made.id]


@pytest.mark.parametrize(
    "words",
    [
        ["backup"],
        ["backup", "verify", "/nowhere/at/all"],
        ["restore", "from", "/nowhere/at/all"],
        ["restore", "reconcile"],
        ["restore", "reconcile", "--floor", "H37.02=3"],
        ["restore", "reconcile", "--floor", "H37.02:2026:other=3"],
    ],
)
def test_wrong_words_are_refused_in_both_languages(tmp_path, words, capsys):
    folder = tmp_path / "g"
    folder.mkdir()
    config = write_config(folder)
    more = [] if words[1:2] == ["verify"] else ["--config", str(config)]
    code = main([*words, "--json", *more])
    assert code in {1, frame.USAGE, frame.FAILURE}
    said = json.loads(capsys.readouterr().out)
    assert said.get("error", {}).get("message_vi") or said["faults"][0]["vi"]
