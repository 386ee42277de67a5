"""The policy file of the trust folder as the programs see it: who is refused, who must sign.

Promises: a changed file counts from the next document on; a file that gets faults while the gateway
runs changes nothing but raises an alarm, and the policy before it stands; a gateway does not start
with one. Reads only; a crash leaves nothing behind.
"""

from pathlib import Path
from typing import Final

from gateway import observe
from gateway.errors import ConfigurationError, Fault
from gateway.trust.fingerprint import file_bytes
from gateway.trust.policy import BUILT_IN, Policy, TrustFault
from gateway.trust.policyfile import POLICY_FILE, read_policy

_NOTHING: Final = (0, 0, 0)


class PolicyWatch:
    """Answers with the policy in force (chính sách đang dùng).

    Args:
        trust_dir: The trust folder.

    Raises:
        ConfigurationError: There is a policy file, and it has faults: all of them.
    """

    def __init__(self, trust_dir: Path) -> None:
        self._path = trust_dir / POLICY_FILE
        self._seen = self._stamp()
        policy, faults = self._read()
        if policy is None:
            told = tuple(Fault(str(self._path), f.vi, f.en) for f in faults)
            raise ConfigurationError(f"{self._path} has {len(told)} fault(s):", told)
        self._policy = policy

    def __call__(self) -> Policy:
        """Return the policy, read again if its file was touched."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            policy, _ = self._read()
            if policy is None:
                observe.alarm(what="trust policy", subject=self._path.name)
            else:
                self._policy = policy
        return self._policy

    def _stamp(self) -> tuple[int, int, int]:
        try:
            found = self._path.stat()
        except OSError:
            return _NOTHING
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> tuple[Policy | None, tuple[TrustFault, ...]]:
        if not self._path.is_symlink() and not self._path.exists():
            return BUILT_IN, ()
        data = file_bytes(self._path)
        if data is None:
            fault = TrustFault(POLICY_FILE, "Không đọc được tệp.", "The file cannot be read.")
            return None, (fault,)
        return read_policy(data)
