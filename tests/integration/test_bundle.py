"""The offline bundle: what gets into it, and the life of an installation from it.

The installer is tried with a wheelhouse of one tiny wheel that answers like `vanlien` and writes
down what it was asked. `make bundle-test` runs the last test on the true bundle, in a network
namespace without a network.
"""

import base64
import contextlib
import hashlib
import importlib.util
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import tarfile
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
PYTHON = shutil.which("python3.11")

spec = importlib.util.spec_from_file_location("vanlien_bundle", PACKAGING / "bundle.py")
bundle = importlib.util.module_from_spec(spec)
spec.loader.exec_module(bundle)

pytestmark = pytest.mark.timeout(300)

TINY = """
import os, pathlib, sys
VERSION = {version!r}
def main():
    arguments = " ".join(sys.argv[1:])
    if arguments == "--version":
        print("vanlien", VERSION)
        return 0
    home = pathlib.Path(os.environ["VANLIEN_CONFIG"]).parent
    with (home / "asked").open("a") as out:
        print(VERSION, arguments, file=out)
    kill = home / "kill"
    if kill.exists() and kill.read_text() == f"{{VERSION}} {{arguments}}":
        kill.unlink()
        os.killpg(0, 9)  # the installer and all that is with it, as a power cut would
    bad = home / "bad"
    return 70 if bad.exists() and f"{{VERSION}} {{arguments}}" in bad.read_text() else 0
"""


def wheel(folder, name, version, module, *, licence="Apache-2.0", command=False):
    """Write a wheel by hand; return it."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}_tiny.py": module,
        f"{info}/METADATA": f"Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n"
        f"License-Expression: {licence}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if command:
        files[f"{info}/entry_points.txt"] = f"[console_scripts]\n{name} = {name}_tiny:main\n"
    record = ""
    for file, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{file},sha256={digest.decode()},{len(text.encode())}\n"
    files[f"{info}/RECORD"] = record + f"{info}/RECORD,,\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in files.items():
            archive.writestr(zipfile.ZipInfo(file), text)
    return path


def wheelhouse(folder, version):
    """Return a folder of two wheels, and the lock of the one that is not ours."""
    folder.mkdir(parents=True)
    wheel(folder, "vanlien", version, TINY.format(version=version), command=True)
    other = wheel(folder, "beside", "1.2", "", licence="MIT")
    digest = hashlib.sha256(other.read_bytes()).hexdigest()
    return folder, f"beside==1.2 \\\n    --hash=sha256:{digest}\n    # via vanlien\n"


def made(folder, version):
    """Make a bundle and unpack it; return its folder."""
    house, lock = wheelhouse(folder / f"house-{version}", version)
    (folder / f"lock-{version}").write_text(lock)
    arguments = ["--wheels", str(house), "--lock", str(folder / f"lock-{version}")]
    assert bundle.main([*arguments, "--output", str(folder / "dist")]) == 0
    archive = folder / "dist" / f"vanlien-{version}-linux-x86_64.tar.gz"
    with tarfile.open(archive) as packed:
        packed.extractall(folder, filter="data")
    return folder / f"vanlien-{version}-linux-x86_64"


# ---------------------------------------------------------------- what gets into it


def test_a_bundle_says_what_is_in_it_and_can_be_made_again(tmp_path, capsys):
    folder = made(tmp_path, "9.1")
    told = capsys.readouterr().out
    first = (tmp_path / "dist/vanlien-9.1-linux-x86_64.tar.gz").read_bytes()
    assert hashlib.sha256(first).hexdigest() in told
    packages = json.loads((folder / "MANIFEST.json").read_text())["packages"]
    assert [(p["name"], p["version"], p["licence"]) for p in packages] == [
        ("beside", "1.2", "MIT"),
        ("vanlien", "9.1", "Apache-2.0"),
    ]
    listed = (folder / "SHA256SUMS").read_text().splitlines()
    assert len(listed) == sum(1 for p in folder.rglob("*") if p.is_file()) - 1
    assert (folder / "docs/operations.md").exists()
    assert os.access(folder / "install.sh", os.X_OK)
    shutil.rmtree(folder)
    arguments = ["--wheels", str(tmp_path / "house-9.1"), "--lock", str(tmp_path / "lock-9.1")]
    assert bundle.main([*arguments, "--output", str(tmp_path / "again")]) == 0
    again = (tmp_path / "again/vanlien-9.1-linux-x86_64.tar.gz").read_bytes()
    assert first == again
    told = (tmp_path / "again/vanlien-9.1-linux-x86_64.tar.gz.sha256").read_text()
    assert told == f"{hashlib.sha256(again).hexdigest()}  vanlien-9.1-linux-x86_64.tar.gz\n"


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda h: (h / "beside-1.2-py3-none-any.whl").unlink(), "beside is missing"),
        (lambda h: wheel(h, "more", "1", ""), "not in the lock"),
        (lambda h: wheel(h, "beside", "1.2", "evil = 1"), "not what the lock names"),
        (lambda h: wheel(h, "beside", "1.3", ""), "twice"),
        (lambda h: (h / "vanlien-9.1-py3-none-any.whl").unlink(), "vanlien is missing"),
        (lambda h: (h / "beside-1.2.tar.gz").write_bytes(b""), "no wheel"),
    ],
)
def test_only_what_the_lock_names_gets_in(tmp_path, capsys, harm, says):
    house, lock = wheelhouse(tmp_path / "house", "9.1")
    (tmp_path / "lock").write_text(lock)
    harm(house)
    arguments = ["--wheels", str(house), "--lock", str(tmp_path / "lock")]
    assert bundle.main([*arguments, "--output", str(tmp_path / "dist")]) == 70
    assert says in capsys.readouterr().err
    assert not list((tmp_path / "dist").glob("*.gz"))


@pytest.mark.parametrize(
    ("file", "good"),
    [
        ("a-1-py3-none-any.whl", True),
        ("a-1-py2.py3-none-any.whl", True),
        ("a-1-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", True),
        ("a-1-cp39-abi3-manylinux_2_34_x86_64.whl", True),
        ("a-1-1build-cp311-cp311-manylinux_2_36_x86_64.whl", True),
        ("a-1-cp311-cp311-manylinux_2_39_x86_64.whl", False),  # newer than Debian 12
        ("a-1-cp312-cp312-manylinux_2_17_x86_64.whl", False),
        ("a-1-cp312-abi3-manylinux_2_17_x86_64.whl", False),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", False),
        ("a-1-cp311-cp311-manylinux_2_17_aarch64.whl", False),
        ("a-1-cp311-cp311-linux_x86_64.whl", False),  # built on some machine, for that one
    ],
)
def test_only_wheels_for_the_oldest_system_get_in(file, good):
    assert bundle.fits(file) is good


def test_a_lock_without_a_hash_is_refused():
    with pytest.raises(bundle.BundleError, match="no hash"):
        bundle.read_lock("beside==1.2\nother==1 \\\n    --hash=sha256:" + "a" * 64 + "\n")


def test_our_lock_is_read_whole():
    text = (ROOT / "requirements.lock").read_text()
    assert len(bundle.read_lock(text)) == len(re.findall(r"(?m)^[A-Za-z0-9].*==", text))


REGISTRIES = ("pypi.org", "pythonhosted", "crates.io", "npmjs", "docker.io", "quay.io", "ghcr.io")


def test_nothing_of_ours_names_a_registry_or_this_machine(tmp_path):
    folder = made(tmp_path, "9.1")
    here = [str(ROOT), str(tmp_path)]
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".whl":
            text = path.read_bytes().decode("utf-8", "replace")
            assert not [w for w in (*REGISTRIES, *here) if w in text], path


def test_the_installer_has_no_fault_a_linter_knows():
    if shutil.which("shellcheck") is None:
        pytest.skip("shellcheck is not installed")
    subprocess.run(["shellcheck", str(PACKAGING / "install.sh")], check=True, timeout=120)


@pytest.mark.parametrize("name", [p.name for p in sorted((PACKAGING / "systemd").iterdir())])
def test_units_are_whole(name):
    text = (PACKAGING / "systemd" / name).read_text()
    sections = re.findall(r"(?m)^\[(\w+)\]$", text)
    assert sections[0] == "Unit"
    for line in text.splitlines():
        assert not line or line[0] in "#[" or re.match(r"[A-Z][A-Za-z]+=", line), line
    if name.endswith(".service"):
        for wanted in (
            "NoNewPrivileges=true",
            "PrivateTmp=true",
            "SystemCallFilter=",
            "ProtectSystem=",
        ):
            assert wanted in text
        assert "@PREFIX@/current/bin/vanlien " in text


def test_systemd_takes_the_units_and_finds_little_exposed(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("systemd-analyze is not installed")
    program = tmp_path / "current/bin/vanlien"
    program.parent.mkdir(parents=True)
    program.touch(mode=0o755)
    paths = []
    for unit in sorted((PACKAGING / "systemd").iterdir()):
        text = unit.read_text().replace("@PREFIX@", str(tmp_path)).replace("@HOME@", "/srv")
        paths.append(tmp_path / unit.name.replace("@.", "@api."))
        paths[-1].write_text(text.replace("@USER@", "daemon"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, paths)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "vanlien" in line]
    assert (done.returncode, ours) == (0, []), done.stderr
    for path in paths:
        if path.suffix == ".service":
            command = ["systemd-analyze", "security", "--offline=true", "--threshold=20", str(path)]
            subprocess.run(command, check=True, capture_output=True, timeout=60)


# ---------------------------------------------------------------- the life of an installation

SYSTEMCTL = """#!/bin/sh
echo "systemctl $*" >> "$FAKE/calls"
if [ -e "$FAKE/kill" ] && [ "$(cat "$FAKE/kill")" = "$*" ]; then
  rm "$FAKE/kill"
  kill -9 0
fi
[ "$1" = list-units ] && [ -e "$FAKE/active" ] && echo "vanlien.service loaded active running x"
exit 0
"""


class Machine:
    """A prefix, a home, and a systemctl that writes down what it was told."""

    def __init__(self, folder, *, systemd):
        if PYTHON is None:
            pytest.skip("python3.11 is not on the path")
        self.folder, self.systemd = folder, systemd
        self.prefix, self.home = folder / "opt", folder / "srv"
        self.fake = folder / "fake"
        self.fake.mkdir()
        (self.fake / "systemctl").write_text(SYSTEMCTL)
        (self.fake / "systemctl").chmod(0o755)

    def run(self, bundled, *arguments, code=0):
        where = ["--prefix", str(self.prefix), "--home", str(self.home), "--patience", "1"]
        if self.systemd:
            where += ["--units", str(self.folder / "units"), "--user", "root"]
        else:
            where += ["--no-systemd"]
        path = f"{self.fake}:/usr/sbin:/usr/bin:/sbin:/bin"
        done = subprocess.run(
            [str(bundled / "install.sh"), *arguments, *where],
            env={"PATH": path, "FAKE": str(self.fake), "PYTHON": PYTHON, "LC_ALL": "C.UTF-8"},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
            start_new_session=True,
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    def asked(self):
        found = self.home / "asked"
        lines = found.read_text().splitlines() if found.exists() else []
        found.unlink(missing_ok=True)
        return lines

    def calls(self):
        found = self.fake / "calls"
        lines = found.read_text().splitlines() if found.exists() else []
        found.unlink(missing_ok=True)
        return [line for line in lines if "list-units" not in line]

    def current(self):
        return (self.prefix / "current").readlink().name

    def answers(self):
        done = subprocess.run(
            [str(self.prefix / "bin/vanlien"), "--version"],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.strip()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Two bundles, and both versions installed: making an environment takes seconds."""
    folder = tmp_path_factory.mktemp("shelf")
    machine = Machine(folder, systemd=False)
    bundles = made(folder, "1.0"), made(folder, "2.0")
    half = machine.prefix / "versions" / "1.0"
    half.mkdir(parents=True)
    (half / "half").touch()  # an installation that was cut off is made anew
    assert "unfinished: 1.0" in machine.run(bundles[0], "status")
    assert "vanlien init" in machine.run(bundles[0])
    assert not (half / "half").exists()
    assert machine.answers() == "vanlien 1.0"
    (machine.home / "vanlien.toml").write_text("")
    (machine.home / "bad").write_text("1.0 health")
    machine.run(bundles[1], "upgrade")
    # Nothing is written but where it was said.
    ours = ("vanlien-", "house-", "lock-")
    found = {p.name for p in folder.iterdir() if not p.name.startswith(ours)}
    assert found == {"opt", "srv", "fake", "dist"}
    return machine, bundles


def beside(shelf, folder, *, systemd):
    """Return another machine with 1.0 in use, over the same installed versions."""
    machine = Machine(folder, systemd=systemd)
    machine.prefix.mkdir()
    (machine.prefix / "versions").symlink_to(shelf[0].prefix / "versions")
    first, second = shelf[1]
    machine.run(first)
    machine.asked()
    machine.calls()
    return machine, first, second


def test_installed_upgraded_and_rolled_back(shelf, tmp_path):
    machine, first, second = beside(shelf, tmp_path, systemd=False)
    assert machine.answers() == "vanlien 1.0"
    machine.run(first)  # again: nothing to do
    machine.run(second, "install", code=64)  # that would be an upgrade
    machine.run(second, "upgrade", code=64)  # of what has no settings yet
    (machine.home / "vanlien.toml").write_text("")
    machine.run(second, "upgrade", code=64)  # a server runs
    assert machine.asked() == ["1.0 health"]
    (machine.home / "bad").write_text("1.0 health")
    machine.run(second, "upgrade")
    assert machine.answers() == "vanlien 2.0"
    assert machine.asked() == [
        "1.0 health",
        "1.0 backup",
        "2.0 ledger upgrade",
        "2.0 check-config",
        "2.0 ledger status",
    ]
    assert "version: 1.0\nversion: 2.0" in machine.run(second, "status")
    (machine.home / "bad").write_text("1.0 health 2.0 health")
    machine.run(machine.prefix / "current" / "share", "rollback")
    assert machine.answers() == "vanlien 1.0"
    looked = ["1.0 ledger status", "1.0 check-config", "1.0 ledger status"]
    assert machine.asked() == ["2.0 health", *looked]


def test_an_upgrade_that_fails_goes_back_by_itself(shelf, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("units and accounts need root")
    (tmp_path / "units").mkdir()
    machine, _, second = beside(shelf, tmp_path, systemd=True)
    unit = (tmp_path / "units/vanlien.service").read_text()
    assert f"ExecStart={machine.prefix}/current/bin/vanlien serve" in unit
    assert "@" not in unit.replace("@system-service", "").split("SystemCallFilter=~")[0]
    (machine.home / "vanlien.toml").write_text("")
    (machine.fake / "active").touch()
    # (1) No backup, no upgrade: nothing was touched.
    (machine.home / "bad").write_text("1.0 backup")
    assert "sao lưu" in machine.run(second, "upgrade", code=70)
    assert machine.current() == "1.0"
    assert machine.asked() == ["1.0 backup"]
    assert machine.calls() == []
    # (2) It never becomes healthy: the program before serves again, and it is said.
    (machine.home / "bad").write_text("2.0 health")
    assert "1.0 đang chạy lại" in machine.run(second, "upgrade", code=70)
    assert machine.current() == "1.0"
    assert not (machine.prefix / "previous").exists()
    asked = machine.asked()
    assert asked[0] == "1.0 backup"
    assert asked.count("2.0 health") == 2
    assert asked[-1] == "1.0 health"
    moves = [c for c in machine.calls() if "daemon-reload" not in c]
    assert moves == [
        "systemctl stop vanlien.service",
        "systemctl restart vanlien.service",
        "systemctl stop vanlien.service",
        "systemctl restart vanlien.service",
    ]
    # (3) Neither does the one before: said, and where to look; what was begun can be given up later.
    (machine.home / "bad").write_text("2.0 health\n1.0 ledger status")
    assert "journalctl" in machine.run(second, "upgrade", code=70)
    (machine.home / "bad").unlink()
    machine.run(second, "rollback")
    assert machine.answers() == "vanlien 1.0"


KILLED = -9
LONG = pytest.mark.skipif("VANLIEN_BUNDLE" not in os.environ, reason="make bundle-test")


@pytest.mark.parametrize(
    ("at", "what"),
    [
        ("home", "2.0 ledger upgrade"),
        pytest.param("fake", "stop vanlien.service", marks=LONG),
        pytest.param("home", "1.0 backup", marks=LONG),
        pytest.param("fake", "restart vanlien.service", marks=LONG),
        pytest.param("home", "2.0 check-config", marks=LONG),
    ],
)
def test_an_upgrade_that_was_killed_is_finished_or_given_up(shelf, tmp_path, at, what):
    if os.geteuid() != 0:
        pytest.skip("units and accounts need root")
    (tmp_path / "units").mkdir()
    machine, first, second = beside(shelf, tmp_path, systemd=True)
    (machine.home / "vanlien.toml").write_text("")
    (machine.fake / "active").touch()
    (getattr(machine, at) / "kill").write_text(what)
    machine.run(second, "upgrade", code=KILLED)
    begun = what != "1.0 backup"
    # Whoever was stopped is started again, although nobody sees it active now.
    if begun:
        (machine.fake / "active").unlink()
        assert "cut off: upgrade 1.0 → 2.0" in machine.run(second, "status")
        machine.run(first, "install", code=64)
    machine.calls()
    machine.asked()
    machine.run(second, "upgrade")
    assert machine.answers() == "vanlien 2.0"
    assert machine.calls()[-1] == "systemctl restart vanlien.service"
    assert ("1.0 backup" in machine.asked()) is not begun
    assert "cut off" not in machine.run(second, "status")
    # The other way out, of a roll-back that was killed and of an upgrade: the version before.
    (machine.fake / "active").touch()
    (machine.fake / "kill").write_text("stop vanlien.service")
    machine.run(first, "rollback", code=KILLED)
    (machine.fake / "active").unlink()
    machine.run(first, "rollback")
    assert machine.answers() == "vanlien 1.0"
    (machine.fake / "active").touch()
    (machine.fake / "kill").write_text("restart vanlien.service")
    machine.run(second, "upgrade", code=KILLED)
    assert machine.answers() == "vanlien 2.0"
    (machine.fake / "active").unlink()
    machine.calls()
    assert "1.0 đang chạy lại" in machine.run(second, "rollback")
    assert machine.answers() == "vanlien 1.0"
    assert machine.calls()[-1] == "systemctl restart vanlien.service"
    assert not (machine.prefix / ".underway").exists()


def test_no_way_back_over_a_ledger_that_was_finished(shelf, tmp_path):
    machine, _, second = beside(shelf, tmp_path, systemd=False)
    (machine.home / "vanlien.toml").write_text("")
    (machine.home / "bad").write_text("1.0 health")
    machine.run(second, "upgrade")
    (machine.home / "bad").write_text("2.0 health 1.0 ledger status")
    assert "vanlien restore" in machine.run(second, "rollback", code=70)
    assert machine.answers() == "vanlien 2.0"


@LONG
def test_a_full_disk_changes_nothing_and_gives_its_room_back(shelf, tmp_path):
    if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], check=False).returncode:
        pytest.skip("a file system of its own needs root")
    machine = Machine(tmp_path, systemd=False)
    machine.prefix.mkdir()
    first = shelf[1][0]
    # Room enough to begin, and no more files after a while: in the middle of pip's work.
    script = f"""
        mount -t tmpfs -o size=2g,nr_inodes=60 none {machine.prefix}
        code=0; "$@" || code=$?
        ls -A {machine.prefix} {machine.prefix}/versions; mount -o remount,nr_inodes=10k none {machine.prefix}
        "$@" > /dev/null || echo "again: $?"
        {machine.prefix}/bin/vanlien --version
        exit $code
    """
    where = ["--no-systemd", "--prefix", str(machine.prefix), "--home", str(machine.home)]
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script, "-", str(first / "install.sh"), *where],
        env={"PATH": os.environ["PATH"], "PYTHON": PYTHON, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 70, (done.stdout, done.stderr)
    assert "chạy lại" in done.stderr
    assert "No space left" in done.stderr
    assert "versions/1.0" not in done.stdout.partition("vanlien 1.0")[0].partition("Cài")[0]
    assert done.stdout.endswith("vanlien 1.0\n"), done.stdout


def test_somebody_without_rights_is_told_so(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("only root can be somebody else")
    folder = made(tmp_path, "1.0")
    for path in (tmp_path, *tmp_path.parents):
        if path.stat().st_mode & 0o005 != 0o005:
            pytest.skip("nobody else may look into this folder")
    done = subprocess.run(
        ["setpriv", "--reuid", "65534", "--clear-groups", str(folder / "install.sh")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 64
    assert "sudo" in done.stderr


@LONG
def test_bytes_that_were_swapped_with_their_hashes_are_refused_by_pip(shelf, tmp_path):
    machine, _, _ = beside(shelf, tmp_path, systemd=False)
    folder = made(tmp_path, "3.0")
    (machine.home / "vanlien.toml").write_text("")
    (machine.home / "bad").write_text("1.0 health")
    wheel(folder / "wheels", "beside", "1.2", "evil = 1")
    sums = [
        f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder)}\n"
        for p in sorted(folder.rglob("*"))
        if p.is_file() and p.name != "SHA256SUMS"
    ]
    (folder / "SHA256SUMS").write_text("".join(sums))
    assert "THESE PACKAGES DO NOT MATCH" in machine.run(folder, "upgrade", code=70)
    assert machine.answers() == "vanlien 1.0"
    assert not (machine.prefix / "versions" / "3.0").exists()
    assert machine.asked() == ["1.0 health"]


def test_a_damaged_bundle_and_wrong_words_change_nothing(tmp_path):
    machine = Machine(tmp_path, systemd=False)
    folder = made(tmp_path, "1.0")
    assert "install" in machine.run(folder, "upgrade", "--dry-run", code=64)
    said = machine.run(folder, "--dry-run")
    assert "pip install" in said
    assert not machine.prefix.exists()
    for words in (
        ["--what"],
        ["--prefix", "relative"],
        ["--prefix", "/a b"],
        ["install", "upgrade"],
    ):
        done = subprocess.run(
            [str(folder / "install.sh"), *words], capture_output=True, timeout=60, check=False
        )
        assert done.returncode == 64
    # A file nobody listed does not get in either.
    (folder / "systemd/vanlien-more.service").write_text("[Service]\nExecStart=/bin/true\n")
    assert "tệp lạ" in machine.run(folder, code=64)
    (folder / "wheels/beside-1.2-py3-none-any.whl").write_bytes(b"other bytes")
    assert "mã băm" in machine.run(folder, code=64)
    assert not machine.prefix.exists()


# ---------------------------------------------------------------- the true one


SECOND = '''
"""Made up: a table and a column come, an index goes in the second half."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

def upgrade():
    op.create_table("made_up", sa.Column("id", sa.Text, primary_key=True))
    op.add_column("recall", sa.Column("why", sa.Text, nullable=False, server_default=""))

def finish():
    op.drop_index("ix_delivery_transfer", "delivery")
'''
BROKEN = """    if Path("bad").exists():
        return USAGE
    from gateway.config import check, load
"""


def newer(old, folder):
    """Write the next version of our own wheel: a schema step, and a fault for whoever asks for it."""
    version = "0.1.1"
    with zipfile.ZipFile(old) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    before = old.name.split("-")[1]
    info = f"vanlien-{before}.dist-info"

    def change(name, this, that):
        assert this in files[name].decode(), name
        files[name] = files[name].decode().replace(this, that).encode()

    change("gateway/__init__.py", f'"{before}"', f'"{version}"')
    change(f"{info}/METADATA", f"Version: {before}\n", f"Version: {version}\n")
    change("gateway/store/revisions.py", '= ("0001",)', '= ("0001", "0002")')
    change("gateway/cli/init.py", "    from gateway.config import check, load\n", BROKEN)
    files["gateway/store/migrations/versions/0002_made_up.py"] = SECOND.encode()
    del files[f"{info}/RECORD"]
    files = {n.replace(info, f"vanlien-{version}.dist-info"): data for n, data in files.items()}
    record = ""
    for name, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        record += f"{name},sha256={digest},{len(data)}\n"
    listed = f"vanlien-{version}.dist-info/RECORD"
    files[listed] = f"{record}{listed},,\n".encode()
    with zipfile.ZipFile(folder / f"vanlien-{version}-py3-none-any.whl", "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return version


# Serves, sends letters with the numbers given, waits until they are delivered, and stops.
DAY = """
set -euo pipefail
program=$1 home=$2; shift 2
export VANLIEN_CONFIG=$home/vanlien.toml VANLIEN__HTTP__PORT=8480
"$program" serve 2> "$home/log" &
server=$!
ask() { curl -sS --fail-with-body -H "Authorization: Bearer $(cat "$home/api.key")" "$@"; }
until curl -sf -o /dev/null http://127.0.0.1:8480/ready; do kill -0 $server; sleep 0.2; done
for number; do
  printf 'Công văn số %s\n' "$number" > "$home/cong-van.txt"
  ask http://127.0.0.1:8480/api/v1/documents -H "Idempotency-Key: cv-$number" -F 'metadata={
    "sender": "H37.02", "recipients": ["H37.04"], "code_number": "'$number'", "code_notation": "SNV-VP",
    "promulgation_date": "2026-11-20", "type_name": "Công văn", "subject": "V/v nâng cấp",
    "signer": {"position": "Giám đốc", "full_name": "Nguyễn Văn An"}};type=application/json' -F "file=@$home/cong-van.txt" > /dev/null
done
until [ "$(ask 'http://127.0.0.1:8480/api/v1/inbox?after=0' | grep -o '"document_id"' | wc -l)" = "$number" ]; do
  sleep 0.2
done
kill -TERM $server
wait $server
"""


def facts(home):
    """Return what must never change: every row of documents, numbers and receipts."""
    tables = "consignment", "delivery", "arrival", "counter", "receipt_entry", "system", "agency"
    with contextlib.closing(sqlite3.connect(home / "data/ledger.sqlite")) as ledger:
        return {t: sorted(ledger.execute(f"SELECT * FROM {t}"), key=repr) for t in tables}


def kept(before, after):
    """Tell whether nothing of it changed; the receipt log may have grown, by the backup's entry."""
    log = "receipt_entry"
    same = {t: rows for t, rows in before.items() if t != log}
    longer = sorted(after[log])[: len(before[log])]
    return same.items() <= after.items() and longer == sorted(before[log])


def numbers(home):
    with contextlib.closing(sqlite3.connect(home / "data/ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT issue_ordinal FROM consignment ORDER BY issue_ordinal")
        return [row[0] for row in rows]


@pytest.mark.timeout(3600)  # four minutes where nobody else works
def test_the_whole_bundle_installs_and_works_without_a_network(tmp_path):
    archive = os.environ.get("VANLIEN_BUNDLE")
    if not archive:
        pytest.skip("make bundle bundle-test")
    alone = ["unshare", "-n", "--"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network namespace needs root")
    with tarfile.open(archive) as packed:
        packed.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("vanlien-*")
    for path in folder.rglob("*"):
        if path.is_file() and path.suffix != ".whl":
            text = path.read_bytes().decode("utf-8", "replace")
            assert not [w for w in (*REGISTRIES, str(ROOT)) if w in text], path
    (own,) = (folder / "wheels").glob("vanlien-*.whl")
    with zipfile.ZipFile(io.BytesIO(own.read_bytes())) as ours:
        for name in ours.namelist():
            text = ours.read(name).decode("utf-8", "replace")
            assert not [w for w in (*REGISTRIES, str(ROOT)) if w in text], name
    plain = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    plain["PYTHON"] = PYTHON or "python3.11"
    prefix = tmp_path / "opt"
    began = time.monotonic()

    def told(command):
        """Say with `-s` how far it is: on a slow machine this test takes half an hour."""
        words = " ".join(str(word).rpartition("/")[2][:40] for word in command)
        os.write(2, f"{time.monotonic() - began:6.0f} s  {words}\n".encode())

    def run(*command):
        done = subprocess.run(
            [*alone, "sh", "-c", 'ip link set lo up; exec "$@"', "-", *command],
            env=plain,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        told(command)
        return done.stdout

    run(str(folder / "install.sh"), "--no-systemd", "--prefix", str(prefix))
    program = str(prefix / "bin/vanlien")
    assert run(program, "--version").startswith("vanlien ")
    assert "hồi báo 03" in run(program, "demo", "--once")
    home = prefix / "home"
    run(program, "init", str(home))
    config = home / "vanlien.toml"
    run(program, "check-config", "--config", str(config))

    # An upgrade with a schema step: it fails and goes back, it works, it is taken back.
    (tmp_path / "sao-luu").mkdir()
    target = f'[backup]\nto = ["{tmp_path / "sao-luu"}"]\n'
    config.write_text(config.read_text().replace("[backup]\n", target))
    for code in ("H37.02", "H37.04"):
        run(program, "agency", "add", code, "--name", "Sở", "--config", str(config))
    speaks = ("--speaks-for", "H37.02", "--speaks-for", "H37.04", "--json")
    made = run(program, "system", "add", "qlvb", *speaks, "--config", str(config))
    (home / "api.key").write_text(json.loads(made)["api_key"])

    def day(*letters):
        run("bash", "-c", DAY, "-", program, str(home), *map(str, letters))

    def install(bundled, *words, code=0):
        command = [str(bundled / "install.sh"), *words, "--no-systemd", "--prefix", str(prefix)]
        done = subprocess.run(
            [*alone, *command], env=plain, capture_output=True, text=True, timeout=900, check=False
        )
        assert done.returncode == code, (done.stdout, done.stderr)
        told([*command, code])
        return done.stdout + done.stderr

    day(1, 2, 3)
    before = facts(home)
    for path in (folder / "wheels").iterdir():
        (tmp_path / "wheels").mkdir(exist_ok=True)
        if path != own:
            (tmp_path / "wheels" / path.name).hardlink_to(path)
    version = newer(own, tmp_path / "wheels")
    made_of = ["--wheels", str(tmp_path / "wheels"), "--output", str(tmp_path / "dist")]
    assert bundle.main(made_of) == 0
    with tarfile.open(tmp_path / f"dist/vanlien-{version}-linux-x86_64.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    second = tmp_path / f"vanlien-{version}-linux-x86_64"
    (home / "bad").touch()
    assert "đang chạy lại" in install(second, "upgrade", code=70)
    assert run(program, "--version") == "vanlien 0.1.0\n"
    # The schema step was taken, and the version before works with it: same data, next number.
    with contextlib.closing(sqlite3.connect(home / "data/ledger.sqlite")) as ledger:
        assert ledger.execute("SELECT version_num FROM alembic_version").fetchone() == ("0002",)
    assert kept(before, facts(home))
    assert list((tmp_path / "sao-luu").glob("*/manifest.json"))
    day(4)
    (home / "bad").unlink()
    install(second, "upgrade")
    assert run(program, "--version") == f"vanlien {version}\n"
    day(5)
    before = facts(home)
    install(prefix / "current/share", "rollback")
    assert kept(before, facts(home))
    day(6)
    assert numbers(home) == [1, 2, 3, 4, 5, 6]
    log = tmp_path / "hoi-bao.jsonl"
    run(program, "receipts", "export", "-o", str(log), "--config", str(config))
    run(program, "receipts", "verify", str(log), "--key", str(home / "keys/receipts.pub.pem"))
    # Once it is finished there is no way back but the backup, and that is said before anything.
    install(second, "upgrade")
    run(program, "ledger", "upgrade", "--finish", "--config", str(config))
    assert "vanlien restore" in install(second, "rollback", code=70)
    assert run(program, "--version") == f"vanlien {version}\n"
    run("bash", "-c", DAY, "-", program, str(home), "7")
    assert numbers(home) == [1, 2, 3, 4, 5, 6, 7]
