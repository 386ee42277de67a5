"""A data folder belongs to one process: who has its lock may write what lies in it.

The lock is the kernel's: it goes with the process, however that ends.
"""

import fcntl
import os
from pathlib import Path

from gateway.errors import ConfigurationError, Fault


def take_lock(folder: Path, setting: str = "gateway.data_dir") -> int:
    """Return the descriptor that makes this process the only one on a folder.

    Args:
        folder: Made when it is missing.
        setting: Which setting names it.

    Raises:
        ConfigurationError: Another process has it, or the folder cannot be written.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(folder / "vanlien.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        raise ConfigurationError(f"{folder}: {exc.strerror}") from exc
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        os.close(lock)
        name = setting.rpartition(".")[2]
        told = f"another vanlien serves this folder: stop it first, or use another {name}"
        vi = f"một tiến trình vanlien khác đang dùng thư mục này: dừng nó, hoặc đổi {name}"
        if setting == "blobs.dir":
            told = f"{told}; a folder for several nodes needs shared = true"
            vi = f"{vi}; thư mục dùng chung cho nhiều tiến trình thì đặt shared = true"
        fault = Fault(setting, f"{folder}: {vi}", f"{folder}: {told}")
        raise ConfigurationError(f"{folder}: {told}", (fault,)) from exc
    return lock
