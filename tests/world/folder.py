"""A gateway's folder without a ledger: keys with the right modes, trust and data folders."""

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from gateway.secrets import create_key_file, write_private

CONFIG = '[gateway]\ncode = "00.37.W00"\n'


def make_folder(folder: Path, config: str = CONFIG) -> Path:
    """Make `folder` hold what `vanlien init` would, but for the ledger; return it."""
    for name in ("keys", "trust", "data"):
        (folder / name).mkdir(parents=True, mode=0o700)
    create_key_file(folder / "keys/secrets.key")
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    write_private(folder / "keys/receipts.pem", pem)
    (folder / "vanlien.toml").write_text(config, encoding="utf-8")
    return folder
