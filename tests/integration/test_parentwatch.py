"""A worker of a pool whose parent was killed ends by itself."""

import signal
import subprocess
import sys

PARENT = """
import multiprocessing, time
from concurrent.futures import ProcessPoolExecutor
from gateway.parentwatch import end_with_parent
if __name__ == "__main__":
    spawned = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, spawned, end_with_parent)
    print(pool.submit(len, "work").result(), flush=True)
    time.sleep(600)
"""


def test_a_worker_ends_with_its_killed_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(PARENT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "4\n"
        parent.send_signal(signal.SIGKILL)
        # Its worker has the same end of the pipe: who reads hears the end when both are gone.
        assert parent.communicate(timeout=60)[0] == ""
