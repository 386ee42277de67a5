"""A token in software (Debian's softhsm2): made by the test, in the folder of this test process.

The module reads its settings from the environment of the process, once at each start: all tokens
of a process are in one folder, and each test makes one of its own.
"""

import atexit
import functools
import itertools
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.keys.tokenuri import TokenUri

MODULE = Path("/usr/lib/softhsm/libsofthsm2.so")
_numbers = itertools.count(1)


@dataclass
class Token:
    """An initialised token."""

    label: str
    pin: str
    folder: Path

    def uri(self, name: str) -> TokenUri:
        return TokenUri(MODULE, self.label, name)

    def pin_file(self, folder: Path, pin: str = "") -> Path:
        path = folder / "token.pin"
        path.write_text((pin or self.pin) + "\n")
        path.chmod(0o600)
        return path

    def pull_out(self) -> None:
        """Take the tokens away, as a card is pulled out."""
        self.folder.rename(self.folder.with_name("gone"))

    def put_back(self) -> None:
        """Put them back."""
        self.folder.with_name("gone").rename(self.folder)


def token() -> Token:
    """Return a fresh token of this process; skip without the module."""
    if not MODULE.exists() or shutil.which("softhsm2-util") is None:
        pytest.skip("softhsm2 is not installed")
    label = f"vanlien-{next(_numbers)}"
    folder = _settings()
    command = ["softhsm2-util", "--init-token", "--free", "--label", label]
    subprocess.run(
        [*command, "--pin", "1234", "--so-pin", "5678"], check=True, capture_output=True, timeout=60
    )
    return Token(label, "1234", folder)


@functools.cache
def _settings() -> Path:
    home = Path(tempfile.mkdtemp(prefix="vanlien-softhsm-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    folder = home / "tokens"
    folder.mkdir()
    config = home / "softhsm2.conf"
    config.write_text(f"directories.tokendir = {folder}\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(config)
    return folder
