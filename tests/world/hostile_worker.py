"""A verifier process whose files misbehave on command: the first bytes say how."""

import os
import signal
import sys
import time

from gateway.verifier import examine as real
from gateway.verifier import worker

_honest = real.examine


def _examine(path, **kwargs):
    data = path.read_bytes()
    if data.startswith(b"%PDF-LOOP"):
        while True:
            pass
    if data.startswith(b"%PDF-WAIT"):
        time.sleep(600)
    if data.startswith(b"%PDF-HOLD"):
        # Until the file named after it is there: `%PDF-HOLD /path`.
        gate = data.split(b" ", 1)[1].decode()
        while not os.path.exists(gate):  # noqa: PTH110
            time.sleep(0.01)
    if data.startswith(b"%PDF-CRASH"):
        os.kill(os.getpid(), signal.SIGSEGV)
    if data.startswith(b"%PDF-EAT"):
        held = []
        while True:
            held.append(bytearray(64 << 20))
    if data.startswith(b"%PDF-DEEP"):
        raise RecursionError
    return _honest(path, **kwargs)


real.examine = _examine

if __name__ == "__main__":
    sys.exit(worker.main(sys.argv[1:]))
