"""Trust states kept as evidence: durable, whole, laid out with the identity reports name (SIG-47)."""

import asyncio
import json
import os
from datetime import timedelta

import pytest

from gateway.demo.pki import publish_crls
from gateway.errors import UnavailableError
from gateway.trust.anchors import TrustStore
from gateway.trust.fingerprint import fingerprint
from gateway.verifier import snapshot
from gateway.verifier.revocation import RevocationStore
from gateway.verifier.trusted import combined, index_identity
from tests.world.signed_files import NOW, pki, trust_of


@pytest.fixture
def trust():
    return trust_of(pki())


@pytest.fixture
def store(tmp_path):
    return tmp_path / "evidence"


def files_of(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_what_was_taken_is_given_back(trust, store):
    taken = snapshot.take(trust, None, store)
    assert taken == fingerprint(trust) == TrustStore.load(trust).sha256
    before = TrustStore.load(trust)
    for file in trust.iterdir():
        file.unlink()
    with snapshot.restore(taken, store) as after:
        assert after.sha256 == before.sha256
        assert [c.dump() for c in after.anchors] == [c.dump() for c in before.anchors]
        assert len(after.crls) == len(before.crls) == 2


def test_the_manifest_says_what_it_was(trust, store):
    taken = snapshot.take(trust, None, store)
    kept = snapshot.read(taken, store)
    assert {(f.name, f.kind) for f in kept.files} == {
        ("root.pem", "certificate"),
        ("issuing.pem", "certificate"),
        ("root.crl", "crl"),
        ("issuing.crl", "crl"),
    }
    assert {"vanlien", "pyHanko", "cryptography"} <= set(kept.engine)


def test_settings_beside_the_certificates_belong_to_the_state(trust, store):
    plain = snapshot.take(trust, None, store)
    (trust / "policy.toml").write_text("không phải chính sách", encoding="utf-8")
    ruled = snapshot.take(trust, None, store)
    assert ruled != plain
    assert "policy.toml" in {f.name for f in snapshot.read(ruled, store).files}
    with snapshot.laid_out(ruled, store) as places:
        assert fingerprint(places.trust_dir) == ruled
    # What counts for nothing is not kept.
    (trust / "GHI-CHU.md").write_text("ghi chú", encoding="utf-8")
    assert snapshot.take(trust, None, store) == ruled


def test_a_state_is_written_once_and_objects_are_shared(trust, store):
    taken = snapshot.take(trust, None, store)
    before = {p: (store / p).stat().st_mtime_ns for p in files_of(store)}
    assert snapshot.take(trust, None, store) == taken
    (trust / "root.crl").unlink()
    other = snapshot.take(trust, None, store)
    after = set(files_of(store))
    assert after - set(before) == {f"folders/{other}.json", f"states/{other[:2]}/{other}.json"}
    assert all((store / p).stat().st_mtime_ns == at for p, at in before.items())
    assert all((store / p).stat().st_mode & 0o077 == 0 for p in after)


def test_everything_is_durable_before_the_manifest_has_its_name(trust, store, monkeypatch):
    order = []
    fsync, replace = os.fsync, snapshot.Path.replace

    def synced(handle):
        order.append("sync")
        fsync(handle)

    def renamed(self, target):
        assert order[-1] == "sync", f"{target} got its name before its bytes were durable"
        order.append(str(target))
        return replace(self, target)

    monkeypatch.setattr(snapshot.os, "fsync", synced)
    monkeypatch.setattr(snapshot.Path, "replace", renamed)
    taken = snapshot.take(trust, None, store)
    named = [o for o in order if o != "sync"]
    assert named[-1].endswith(f"{taken}.json")
    assert order[-1] == "sync"


@pytest.mark.parametrize("lost", ["state", "folder", "object"])
def test_what_is_gone_is_said(trust, store, lost):
    taken = snapshot.take(trust, None, store)
    one = snapshot.read(taken, store).files[0]
    assert snapshot.is_whole(taken, store)
    gone = {
        "state": store / "states" / taken[:2] / f"{taken}.json",
        "folder": store / "folders" / f"{taken}.json",
        "object": store / "objects" / one.sha256[:2] / one.sha256,
    }
    gone[lost].unlink()
    assert not snapshot.is_whole(taken, store)
    with pytest.raises(snapshot.SnapshotError) as told, snapshot.laid_out(taken, store):
        raise AssertionError("laid out")
    what = one.sha256 if lost == "object" else taken
    assert (told.value.problem, told.value.what) == ("missing", what)


def _rename(state):
    state["files"][0]["name"] = "../ngoai.pem"


def _swap(state):
    state["files"][0]["sha256"] = state["files"][1]["sha256"]


def _drop(state):
    state["files"].pop()


def _other(state):
    state["trust_sha256"] = "0" * 64


def _elsewhere(state):
    state["folder"] = "../../objects"


def _grown(state):
    state["revocation"] = "1" * 64


HARMS = [
    ("folders", _rename),
    ("folders", _swap),
    ("folders", _drop),
    ("states", _other),
    ("states", _elsewhere),
    ("states", _grown),
]


@pytest.mark.parametrize(("where", "harm"), HARMS)
def test_a_changed_manifest_is_never_another_state(trust, store, where, harm):
    taken = snapshot.take(trust, None, store)
    (path,) = (store / where).rglob("*.json")
    state = json.loads(path.read_bytes())
    harm(state)
    path.write_text(json.dumps(state))
    with (
        pytest.raises(snapshot.SnapshotError, match="damaged"),
        snapshot.laid_out(taken, store),
    ):
        raise AssertionError("laid out")


def test_a_changed_object_is_seen(trust, store):
    taken = snapshot.take(trust, None, store)
    one = next(f for f in snapshot.read(taken, store).files if f.kind == "crl")
    path = store / "objects" / one.sha256[:2] / one.sha256
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(snapshot.SnapshotError) as told, snapshot.laid_out(taken, store):
        raise AssertionError("laid out")
    assert (told.value.problem, told.value.what) == ("damaged", one.sha256)


def test_no_folder_is_a_state_too(tmp_path, store):
    taken = snapshot.take(tmp_path / "none", None, store)
    assert taken == fingerprint(tmp_path / "none")
    with snapshot.restore(taken, store) as after:
        assert after.anchors == ()


def test_a_folder_that_cannot_be_written_is_trouble_of_ours(trust, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UnavailableError):
        snapshot.take(trust, None, tmp_path / "file")


async def test_keeping_is_asked_of_the_state_that_was_used(trust, store):
    kept = snapshot.Snapshots(trust, store)
    used = fingerprint(trust)
    assert await kept.keep(used)
    assert await kept.keep(used)
    # The evil twin: what was used is gone before it was kept.
    (trust / "root.crl").unlink()
    assert await kept.keep(used)
    assert not await kept.keep("1" * 64)
    assert await kept.keep(fingerprint(trust))


async def test_a_broken_state_is_taken_again(trust, store):
    used = snapshot.take(trust, None, store)
    one = snapshot.read(used, store).files[0]
    (store / "objects" / one.sha256[:2] / one.sha256).unlink()
    assert await snapshot.Snapshots(trust, store).keep(used)
    assert snapshot.is_whole(used, store)


async def test_many_at_once_take_it_once(trust, store, monkeypatch):
    taken = []
    take = snapshot._take_folder

    def counted(*args):
        taken.append(args)
        return take(*args)

    monkeypatch.setattr(snapshot, "_take_folder", counted)
    kept = snapshot.Snapshots(trust, store)
    used = fingerprint(trust)
    assert all(await asyncio.gather(*(kept.keep(used) for _ in range(8))))
    assert len(taken) == 1


# ---------------------------------------------------------------- with a revocation store


@pytest.fixture
def revocation(tmp_path, trust):
    """A store that grows: give it the next list, get the identity after."""
    found = RevocationStore(tmp_path / "revocation")
    issuers = [*TrustStore.load(trust).anchors, *TrustStore.load(trust).intermediates]

    def grow(n):
        folder = tmp_path / f"lists-{n}"
        folder.mkdir()
        publish_crls(pki(), now=NOW + timedelta(hours=n), into=folder)
        found.take((folder / "issuing.crl").read_bytes(), issuers)
        return index_identity(found.folder)

    yield found.folder, grow
    found.close()


def test_a_state_is_folder_and_store_together(trust, store, revocation):
    folder, grow = revocation
    first = grow(1)
    early = snapshot.take(trust, folder, store)
    assert early == combined(fingerprint(trust), first)
    later = snapshot.take(trust, folder, store)
    assert later == early
    grow(2)
    late = snapshot.take(trust, folder, store)
    assert late != early
    # The store has grown; the earlier state is still the earlier one.
    with snapshot.restore(early, store, folder) as before:
        assert before.sha256 == early
        assert before.index.sha256 == first
    with snapshot.restore(late, store, folder) as after:
        assert after.sha256 == late
    assert len(list((store / "folders").iterdir())) == 1


def test_a_store_that_forgot_is_said(trust, store, revocation, tmp_path):
    folder, grow = revocation
    identity = grow(1)
    taken = snapshot.take(trust, folder, store)
    for other in (None, tmp_path / "none"):
        with (
            pytest.raises(snapshot.SnapshotError) as told,
            snapshot.laid_out(taken, store, other),
        ):
            raise AssertionError("laid out")
        assert (told.value.problem, told.value.what) == ("missing", identity)


async def test_a_store_that_grew_meanwhile_is_kept_as_it_was(trust, store, revocation):
    folder, grow = revocation
    used = combined(fingerprint(trust), grow(1))
    grow(2)
    kept = snapshot.Snapshots(trust, store, folder)
    assert await kept.keep(used)
    with snapshot.restore(used, store, folder) as before:
        assert before.sha256 == used
    assert not await kept.keep(combined(fingerprint(trust), "0" * 64))
