"""Where a key in a token is: a PKCS#11 URI (RFC 7512), as settings and the key ring write it.

`pkcs11:token=T;object=O?module-path=/usr/lib/…/module.so`. The PIN never stands in it: it is in a
file. Pure.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

SCHEME: Final = "pkcs11:"
_NEEDED: Final = {"token", "object", "module-path"}
_IGNORED: Final = {"type"}


@dataclass(frozen=True, slots=True)
class TokenUri:
    """A key of a token: the module that speaks to it, the token's label, the key's label."""

    module: Path
    token: str
    object: str

    def __str__(self) -> str:
        """Return the URI."""
        token, name = (quote(text, safe="") for text in (self.token, self.object))
        return f"{SCHEME}token={token};object={name}?module-path={quote(str(self.module))}"


def is_uri(text: str) -> bool:
    """Tell a PKCS#11 URI from the name of a file."""
    return text.startswith(SCHEME)


def read_uri(text: str) -> TokenUri:
    """Return the key a URI names.

    Raises:
        ValueError: It is no such URI, an attribute is missing, unknown or given twice, or it holds
            a PIN.
    """
    if not is_uri(text):
        raise ValueError("it does not begin with pkcs11:")
    path, _, query = text.removeprefix(SCHEME).partition("?")
    found: dict[str, str] = {}
    for part in [*path.split(";"), *query.split("&")]:
        if not part:
            continue
        name, equals, value = part.partition("=")
        if name == "pin-value":
            raise ValueError("a PIN must not stand in it: put it into a file")
        if not equals or name in found or name not in _NEEDED | _IGNORED:
            raise ValueError(f"the attribute {name!r} is unknown, empty or given twice")
        found[name] = unquote(value)
    if lacking := sorted(name for name in _NEEDED if not found.get(name)):
        raise ValueError(f"missing: {', '.join(lacking)}")
    module = Path(found["module-path"])
    if not module.is_absolute():
        raise ValueError("module-path must be absolute")
    return TokenUri(module, found["token"], found["object"])
