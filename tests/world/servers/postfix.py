"""A Postfix of our own on loopback, with Debian's `smtp-sink` behind it: the benchmark's yardstick.

Postfix is what a well-built store-and-forward program does on a machine: it answers "250" after its
queue file is on disk, and delivers afterwards. Nothing leaves loopback; it needs root, because
Postfix gives up its rights by itself. Its folder is removed by whoever made it.
"""

import os
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from tests.world.servers.ports import free_ports

_DAEMONS = Path("/usr/lib/postfix/sbin")
_QUEUES = ("maildrop", "incoming", "active", "deferred")

_MAIN = """compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = /usr/sbin
daemon_directory = {daemons}
mail_owner = postfix
setgid_group = postdrop
myhostname = bench.invalid
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mydestination =
local_recipient_maps =
alias_maps =
alias_database =
mynetworks = 127.0.0.0/8
smtpd_recipient_restrictions = permit_mynetworks, reject
smtpd_client_connection_count_limit = 0
smtpd_timeout = 300s
relayhost = [127.0.0.1]:{sink}
smtp_dns_support_level = disabled
smtp_line_length_limit = 0
smtputf8_enable = no
message_size_limit = 0
mailbox_size_limit = 0
in_flow_delay = 0
maillog_file = {folder}/log/postfix.log
maillog_file_prefixes = {folder}
"""

_MASTER = """127.0.0.1:{port} inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def missing() -> str:
    """Return why Postfix cannot be used here, "" when it can."""
    if shutil.which("postfix") is None or shutil.which("smtp-sink") is None:
        return "postfix is not installed"
    return "" if os.geteuid() == 0 else "Postfix must be started as root"


class Postfix:
    """One instance with everything in one folder, which others may enter.

    Args:
        folder: An empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.port, self._sink_port = free_ports(2)
        self._folder, self._conf = folder, folder / "conf"
        self._sink: subprocess.Popen[bytes] | None = None
        folder.chmod(0o755)  # its processes are somebody else's
        for name in ("conf", "queue", "data", "log"):
            (folder / name).mkdir()
        shutil.chown(folder / "data", "postfix", "postfix")
        facts = {"folder": folder, "daemons": _DAEMONS, "sink": self._sink_port, "port": self.port}
        (self._conf / "main.cf").write_text(_MAIN.format(**facts))
        (self._conf / "master.cf").write_text(_MASTER.format(**facts))

    def start(self) -> None:
        """Start the sink, then Postfix; both listen on return."""
        user = pwd.getpwnam("nobody").pw_name
        command = ["smtp-sink", "-u", user, f"127.0.0.1:{self._sink_port}", "500"]
        self._sink = subprocess.Popen(command)
        self._postfix("start")

    def stop(self) -> None:
        """Stop both."""
        self._postfix("stop")
        if self._sink is not None:
            self._sink.terminate()
            self._sink.wait(60)

    def waiting(self) -> int:
        """Return how many messages are in its queues."""
        return sum(
            len(files)
            for queue in _QUEUES
            for _, _, files in os.walk(self._folder / "queue" / queue)
        )

    def drained(self) -> None:
        """Return once its queues are empty."""
        while self.waiting():
            time.sleep(0.02)

    def _postfix(self, what: str) -> None:
        command = ["postfix", "-c", str(self._conf), what]
        subprocess.run(command, check=True, capture_output=True, timeout=120)
