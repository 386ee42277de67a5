"""The house files say the same thing: locks, make targets, container, compose, licence."""

import re
import shutil
import stat
import subprocess
import tomllib
from pathlib import Path

import pytest

from gateway import __version__
from gateway.config import Settings

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = Settings.model_validate({"gateway": {"code": "00.37.W00"}})
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def targets():
    return set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))


# ---------------------------------------------------------------- locks


def pins(name):
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==(\S+) \\$", text(name), re.MULTILINE))


def distribution(requirement):
    return re.match(r"[A-Za-z0-9._-]+", requirement)[0].lower().replace("_", "-")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_name_no_host_and_hash_everything(name):
    lock = text(name)
    assert "://" not in lock
    options = set(re.findall(r"^\s*(-[\w-]+)", lock, re.MULTILINE))
    assert options == {"--hash"}
    assert " @ " not in lock
    blocks = re.split(r"^(?=[a-z0-9])", lock, flags=re.MULTILINE)[1:]
    assert len(blocks) == len(pins(name)) > 40
    assert all("--hash=sha256:" in block for block in blocks)


def test_the_run_lock_has_all_that_running_and_building_need():
    wanted = PROJECT["project"]["dependencies"] + PROJECT["build-system"]["requires"]
    assert {distribution(r) for r in wanted} <= set(pins("requirements.lock"))


def test_the_test_lock_has_all_that_testing_needs_and_differs_in_nothing():
    wanted = PROJECT["project"]["optional-dependencies"]["dev"]
    dev, run = pins("requirements-dev.lock"), pins("requirements.lock")
    assert {distribution(r) for r in wanted} <= set(dev)
    assert run.items() <= dev.items()


def test_the_build_backend_is_the_one_locked():
    extras = PROJECT["project"]["optional-dependencies"]
    assert extras["build"] == PROJECT["build-system"]["requires"]


# ---------------------------------------------------------------- licence, version


def test_licence():
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert "Apache License" in text("LICENSE")


def test_one_version_everywhere():
    assert PROJECT["project"]["version"] == __version__
    for compose in ("compose.yaml", "compose.embedded.yaml"):
        assert f"image: vanlien:{__version__}" in text(compose)
    assert f"vanlien:{__version__}" in text("Dockerfile")


# ---------------------------------------------------------------- commands


def test_the_readme_shows_only_commands_that_exist():
    readme = text("README.md")
    shown = set(re.findall(r"\bmake ([a-z]+)\b", readme))
    assert {"run", "test"} <= shown
    assert shown <= targets()
    from gateway.__main__ import COMMANDS

    for command in re.findall(r"(?:\$ |`|bin/)vanlien ([a-z-]+)", readme):
        assert command in {*COMMANDS, "check-config"}, command


def test_the_makefile_lists_its_targets():
    listed = set(re.findall(r"^#   make ([a-z-]+)", text("Makefile"), re.MULTILINE))
    commands = {"run", "test", "unit", "crash-long", "lint", "bench", "docs", "lock", "clean"}
    commands |= {
        "bundle",
        "bundle-test",
        "compose-test",
        "bench-console",
        "bench-fairness",
        "bench-verify",
        "corpus",
    }
    commands |= {"fuzz-verify", "histories", "openapi-play", "screenshots"}
    assert commands == listed
    assert listed <= targets()
    assert listed <= set(re.search(r"^\.PHONY: (.*)$", text("Makefile"), re.MULTILINE)[1].split())


def test_ci_runs_lint_and_tests():
    run = ROOT / ".ci/run"
    assert run.stat().st_mode & stat.S_IXUSR
    assert "make lint" in run.read_text()
    assert "make test" in run.read_text()


def test_debian_packages_are_names_only():
    names = [line for line in text("tests/debian-packages.txt").splitlines() if line[:1] != "#"]
    assert names == sorted(names)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9+.-]+", name) for name in names)


# ---------------------------------------------------------------- container


def test_the_container_runs_without_rights_and_asks_after_itself():
    lines = text("Dockerfile").splitlines()
    last_stage = lines[max(i for i, line in enumerate(lines) if line.startswith("FROM")) :]
    assert any(line == "USER 10001" for line in last_stage)
    assert any(line.startswith("HEALTHCHECK") and '"health"' in line for line in last_stage)
    assert sum(line.startswith("FROM") for line in lines) == 2


def test_the_container_gets_every_package_of_ours():
    dockerfile, ignored = text("Dockerfile"), text(".dockerignore")
    for pattern in PROJECT["tool"]["setuptools"]["packages"]["find"]["include"]:
        name = pattern.rstrip("*")
        assert f"COPY {name} {name}" in dockerfile
        assert f"!{name}" in ignored
    for name in ("pyproject.toml", "README.md", "LICENSE", "requirements.lock"):
        assert name in dockerfile
        assert f"!{name}" in ignored


def test_ports_paths_and_user_agree():
    dockerfile, compose = text("Dockerfile"), text("compose.embedded.yaml")
    port = SETTINGS.http.port
    assert f"EXPOSE {port}" in dockerfile
    assert f'"{port}:{port}"' in compose
    assert f'VANLIEN__HTTP__PORT: "{port}"' in compose
    assert "VOLUME /srv/vanlien" in dockerfile
    assert "data:/srv/vanlien" in compose
    assert "VANLIEN_CONFIG=/srv/vanlien/vanlien.toml" in dockerfile
    assert "--uid 10001" in dockerfile
    assert 'user: "10001"' in compose
    command = re.search(r"^CMD (.*)$", dockerfile, re.MULTILINE)[1]
    assert f"command: {command}" in compose


@pytest.mark.parametrize("compose", ["compose.yaml", "compose.embedded.yaml"])
def test_compose_sets_only_keys_that_exist(compose):
    for name in re.findall(r"VANLIEN__(\w+)", text(compose)):
        section, _, key = name.lower().partition("__")
        model = Settings.model_fields[section].annotation
        assert key in model.model_fields, name


def test_the_cluster_is_two_gateways_and_three_servers_with_nothing_by_default():
    yaml = pytest.importorskip("yaml")
    made = yaml.safe_load(text("compose.yaml"))
    services = made["services"]
    assert {"gateway-1", "gateway-2", "postgres", "rabbitmq", "s3"} <= set(services)
    for name, service in services.items():
        version = service["image"].partition(":")[2]
        assert re.search(r"\d", version), name
        assert name.startswith(("gateway", "s3-bucket")) or "healthcheck" in service
        for secret in service["secrets"]:
            given = secret if isinstance(secret, str) else secret["source"]
            assert made["secrets"][given]["file"] == f"secrets/{given}"
        for volume in service.get("volumes", ()):
            assert volume.partition(":")[0] in made["volumes"]
        for key, value in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|ACCESS", key):
                assert str(value).startswith("/run/secrets/"), key
    first, second = (services[f"gateway-{n}"]["environment"] for n in (1, 2))
    assert first["VANLIEN__NODE__NAME"] != second["VANLIEN__NODE__NAME"]
    script = text("packaging/compose-secrets.sh")
    for name in made["secrets"]:
        stem, _, kind = name.rpartition(".")
        assert name in script or (kind in {"pem", "key"} and f"pair {stem} " in script), name


def test_secrets_of_the_cluster_are_made_whole_and_never_overwritten(tmp_path):
    yaml = pytest.importorskip("yaml")
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    script = [str(ROOT / "packaging/compose-secrets.sh"), str(tmp_path / "secrets")]
    subprocess.run(script, check=True, capture_output=True, timeout=120)
    wanted = set(yaml.safe_load(text("compose.yaml"))["secrets"])
    made = {p.name: p for p in (tmp_path / "secrets").iterdir()}
    assert wanted | {"ca.key"} == set(made)
    for name, path in made.items():
        if not name.endswith(".pem"):
            assert path.stat().st_mode & 0o077 == 0, name
    before = made["postgres.password"].read_bytes()
    assert len(before) > 60
    assert subprocess.run(script, check=False, capture_output=True, timeout=60).returncode == 64
    assert made["postgres.password"].read_bytes() == before


# ---------------------------------------------------------------- what must not be here


def test_nothing_names_this_machine():
    # Absolute paths of a workplace would make the repository work in one place only.
    for path in (ROOT / "Makefile", ROOT / ".ci/run", ROOT / "pyproject.toml", ROOT / "Dockerfile"):
        assert not re.search(r"(?<![\w.])/(?:work|home|root|tmp/v)\b", path.read_text()), path
