"""What a warm process remembers from file to file: names, certificates, paths. One switch for all.

None of it is a verdict: every file's bytes, digests, signatures and changes are looked at anew.
"""

from gateway.trust.certificates import remember_certificates
from gateway.trust.names import remember_names
from gateway.trust.paths import remember_paths

__all__ = ["remember"]


def remember(*, on: bool = True) -> None:
    """Switch the memories on, or off and empty them; as often as one likes.

    Args:
        on: Off is for measuring the libraries alone.
    """
    remember_names(on=on)
    remember_certificates(on=on)
    remember_paths(on=on)
