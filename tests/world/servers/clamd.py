"""clamd from Debian's package, as a child process on a Unix socket, with signatures of our own.

One daemon a test process, when the first test asks for it. Its only signatures are for the harmless
EICAR text, which is put together here and stands nowhere in the repository.
"""

import getpass
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

EICAR = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + b"-".join(
    [b"EICAR", b"STANDARD", b"ANTIVIRUS", b"TEST", b"FILE!$H+H*"]
)
NAME = "Thu.Nghiem.EICAR"
STREAM_BYTES = 1024 * 1024

_CONF = """LogFile {folder}/clamd.log
DatabaseDirectory {folder}/db
LocalSocket {folder}/clamd.ctl
User {user}
Foreground yes
StreamMaxLength {stream}
AlertExceedsMax yes
AlertEncrypted yes
MaxFileSize 700K
MaxThreads 4
"""


class ClamdServer:
    """A running daemon."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.socket = folder / "clamd.ctl"

    @property
    def address(self) -> str:
        """Return it as `[scan] clamd` writes it."""
        return f"unix:{self.socket}"

    def start(self) -> subprocess.Popen[bytes]:
        """Start it; it answers on return."""
        (self.folder / "db").mkdir(exist_ok=True)
        signature = f"{NAME}:0:*:{EICAR.hex()}\n"
        (self.folder / "db" / "thu.ndb").write_text(signature, encoding="ascii")
        conf = self.folder / "clamd.conf"
        facts = {"folder": self.folder, "user": getpass.getuser(), "stream": STREAM_BYTES}
        conf.write_text(_CONF.format(**facts), encoding="utf-8")
        log = (self.folder / "out.log").open("wb")
        process = subprocess.Popen(
            ["/usr/sbin/clamd", "--config-file", str(conf)], stdout=log, stderr=log
        )
        log.close()
        until = time.monotonic() + 60
        while not self._answers():
            if process.poll() is not None or time.monotonic() > until:
                process.kill()
                process.wait()
                raise RuntimeError((self.folder / "out.log").read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        return process

    def _answers(self) -> bool:
        try:
            with socket.socket(socket.AF_UNIX) as asking:
                asking.settimeout(5)
                asking.connect(str(self.socket))
                asking.sendall(b"zPING\0")
                return asking.recv(16).startswith(b"PONG")
        except OSError:
            return False


@pytest.fixture(scope="session")
def clamd_server() -> Iterator[ClamdServer]:
    """Lend a daemon; skip where it is not installed."""
    if shutil.which("clamd", path="/usr/sbin:/usr/bin") is None:
        pytest.skip("clamd is not installed: apt-get install clamav-daemon")
    # A socket's path has room for some hundred characters only.
    folder = Path(tempfile.mkdtemp(prefix="clamd-"))
    server = ClamdServer(folder)
    process = server.start()
    try:
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        shutil.rmtree(folder, ignore_errors=True)
