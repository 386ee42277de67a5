"""`vanlien init` and `vanlien check-config`: a gateway's folder, and whether its settings hold.

`init` refuses a folder that is not empty before touching anything. It writes the settings file
last: a crash leaves a folder without `vanlien.toml`, which nothing will serve and which can be
removed. Keys are never overwritten. A key made in a token (`--pkcs11`) stays there whatever fails
afterwards: the next try finds it with `--existing`.
"""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption
from gateway.cli.frame import OK, USAGE, UsageFault, emit, examples

DEFAULT_CODE: Final = "00.37.W00"
FOLDERS: Final = ("keys", "trust", "data", "data/blobs")
_UNCONFIRMED: Final = (
    "CHƯA XÁC NHẬN: đối chiếu SHA-256 của từng chứng thư với cơ quan chứng thực trước khi dùng."
    " / TO BE CONFIRMED: compare each SHA-256 with its authority before you rely on it."
)


def register(app: typer.Typer) -> None:
    """Add `init` and `check-config`."""
    app.command(
        "init",
        epilog=examples(
            "vanlien init /srv/vanlien",
            "vanlien init /srv/vanlien --code 00.37.W00 --name 'Trục liên thông tỉnh Lạng Sơn'",
            "vanlien init /srv/vanlien --with-vn-authorities",
            "vanlien init /srv/vanlien --ledger postgresql://vanlien@127.0.0.1:5432/vanlien",
            "vanlien init /srv/vanlien --pin-file /etc/vanlien/token.pin --pkcs11 "
            "'pkcs11:token=vanlien;object=hoi-bao?module-path=/usr/lib/softhsm/libsofthsm2.so'",
        ),
    )(init)
    app.command(
        "check-config",
        epilog=examples(
            "vanlien check-config --config /srv/vanlien/vanlien.toml",
            exits="0 cấu hình đúng / settings hold",
        ),
    )(check_config)


def init(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Thư mục mới hoặc rỗng. / New or empty folder.")
    ],
    *,
    code: Annotated[
        str, typer.Option("--code", help="Mã trung tâm liên thông. / Code of this hub.")
    ] = DEFAULT_CODE,
    name: Annotated[
        str, typer.Option("--name", help="Tên hiển thị. / Name shown.")
    ] = "Cổng liên thông văn bản",
    ledger: Annotated[
        str,
        typer.Option(
            "--ledger",
            metavar="URL",
            help="Sổ cái trên PostgreSQL, được tạo ở đó: postgresql://tài-khoản@máy:cổng/csdl. / A "
            "ledger on PostgreSQL, made there: postgresql://user@host:port/database.",
        ),
    ] = "",
    ledger_password_file: Annotated[
        Path | None,
        typer.Option("--ledger-password-file", help="Tệp mật khẩu của nó. / Its password's file."),
    ] = None,
    ledger_ca: Annotated[
        Path | None,
        typer.Option("--ledger-ca", help="Chứng thư CA của nó (PEM). / Its authority (PEM)."),
    ] = None,
    pkcs11: Annotated[
        str,
        typer.Option(
            "--pkcs11",
            metavar="URI",
            help="Khóa hồi báo được tạo trong thiết bị PKCS#11 này, không nằm trong tệp. / The "
            "receipt key is made in this token instead of a file.",
        ),
    ] = "",
    pin_file: Annotated[
        Path | None,
        typer.Option("--pin-file", help="Tệp PIN của thiết bị, một dòng. / The token's PIN."),
    ] = None,
    existing: Annotated[
        bool,
        typer.Option(
            "--existing", help="Khóa có sẵn trong thiết bị. / The key is in the token already."
        ),
    ] = False,
    p256: Annotated[
        bool,
        typer.Option("--p256", help="P-256, cho thiết bị không có Ed25519. / For such tokens."),
    ] = False,
    with_vn_authorities: Annotated[
        bool,
        typer.Option(
            "--with-vn-authorities",
            help="Chép các CA Việt Nam kèm theo, CHƯA xác nhận. / Unconfirmed CAs of Vietnam.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Tạo cấu hình, khóa và sổ cái. / Write settings, keys and a ledger ready to serve."""
    _refuse_unless_empty(directory)
    token = _token(pkcs11, pin_file, existing=existing, p256=p256)
    existed = directory.exists()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.chmod(0o700)
    except OSError as exc:
        why = f"{directory}: {exc.strerror}"
        raise UsageFault(f"không tạo được thư mục {why}", f"cannot make {why}") from exc
    try:
        given = _ledger_settings(ledger, ledger_password_file, ledger_ca)
        given |= {} if token is None else token.settings()
        named = {"gateway.code": code, "gateway.name": name}
        created = _furnish(directory, {**named, **given}, token)
        authorities = _vn_authorities(directory / "trust") if with_vn_authorities else []
    except BaseException:
        _clear(directory, keep=existed)  # all of it is ours: the folder was empty
        raise
    config = directory / CONFIG_NAME
    next_steps = [
        f"vanlien check-config --config {config}",
        f"vanlien system add he-thong-1 --speaks-for H37.02 --config {config}",
        # The first administrator comes in by a link that opens once; nobody has a default password.
        f"vanlien user first --config {config}",
        f"vanlien serve --config {config}",
    ]
    if authorities:
        next_steps.insert(1, f"vanlien trust list --config {config}")
    human = "\n".join(
        (
            f"Đã tạo cổng liên thông tại {directory} / Gateway created in {directory}",
            *(f"  {item}" for item in (*created, *authorities)),
            *((_UNCONFIRMED,) if authorities else ()),
            "Tiếp theo / Next:",
            *(f"  $ {step}" for step in next_steps),
        )
    )
    payload = {"directory": str(directory), "config": str(config), "created": created}
    payload |= {"unconfirmed_authorities": authorities}
    emit({**payload, "next": next_steps}, human, as_json)
    return OK


def check_config(
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Kiểm tra cấu hình, báo mọi lỗi một lần. / Check the settings; tell every fault at once."""
    from gateway.config import check, load
    from gateway.errors import Fault

    faults = check(config)
    if not faults:
        from gateway.stores import ledger_fault

        wrong = ledger_fault(load(config))
        if wrong is not None:
            vi, _, en = wrong.partition(" / ")
            faults = [Fault("ledger.url", vi, en or vi)]
    payload = {
        "config": str(config),
        "ok": not faults,
        "faults": [{"where": f.where, "vi": f.vi, "en": f.en} for f in faults],
    }
    if not faults:
        emit(payload, f"{config}: cấu hình đúng / settings hold", as_json)
        return OK
    lines = [f"{config}: {len(faults)} lỗi / fault(s)"]
    lines += [f"  {f.where}: {f.vi} / {f.en}" for f in faults]
    emit(payload, "\n".join(lines), as_json)
    return USAGE


def _refuse_unless_empty(directory: Path) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise UsageFault(f"{directory} không phải là thư mục", f"{directory} is not a folder")
    try:
        occupied = directory.exists() and next(directory.iterdir(), None) is not None
    except OSError as exc:
        raise UsageFault(
            f"không đọc được {directory}: {exc.strerror}",
            f"cannot read {directory}: {exc.strerror}",
        ) from exc
    if occupied:
        raise UsageFault(
            f"{directory} không rỗng; chọn thư mục mới, không có gì bị thay đổi",
            f"{directory} is not empty; choose a new folder, nothing was touched",
        )


def _ledger_settings(url: str, password_file: Path | None, ca_file: Path | None) -> dict[str, str]:
    given = {"ledger.url": url} if url else {}
    for key, path in (("ledger.password_file", password_file), ("ledger.ca_file", ca_file)):
        if path is not None:
            given[key] = str(path.absolute())
    return given


@dataclass(frozen=True, slots=True)
class _Token:
    """Where the receipt key is, when it is not in a file."""

    uri: str
    pin_file: Path | None
    existing: bool
    p256: bool

    def settings(self) -> dict[str, str]:
        """Return what the settings file says of it."""
        told = {"receipts.key": self.uri}
        return told if self.pin_file is None else told | {"receipts.pin_file": str(self.pin_file)}

    def public(self, ring: Path) -> bytes:
        """Make the key, or find it, and return its public half (PEM)."""
        from gateway.keys.pkcs11 import make_key
        from gateway.keys.receiptkey import KeyPlace
        from gateway.keys.tokenuri import read_uri
        from gateway.receipts.sign import public_pem

        if not self.existing:
            make_key(read_uri(self.uri), self.pin_file, p256=self.p256)
        return public_pem(KeyPlace(self.uri, self.pin_file, ring).open(self.uri)).encode()


def _token(uri: str, pin_file: Path | None, *, existing: bool, p256: bool) -> _Token | None:
    if not uri:
        if pin_file is not None or existing or p256:
            raise UsageFault(
                "--pin-file, --existing và --p256 chỉ dùng cùng --pkcs11",
                "--pin-file, --existing and --p256 need --pkcs11",
            )
        return None
    from gateway.keys.tokenuri import read_uri

    try:
        read_uri(uri)
    except ValueError as exc:
        raise UsageFault(f"--pkcs11 sai: {exc}", f"--pkcs11: {exc}") from exc
    if pin_file is not None and not pin_file.is_file():
        raise UsageFault(f"--pin-file: không có tệp {pin_file}", f"--pin-file: no file {pin_file}")
    return _Token(uri, pin_file and pin_file.absolute(), existing, p256)


def _furnish(directory: Path, given: dict[str, str], token: _Token | None) -> list[str]:
    """Write everything, the settings file last; return what there is now."""
    from gateway.config import load, sample
    from gateway.secrets import write_private
    from gateway.stores import create_ledger

    created = _make_folders_and_keys(directory, token)
    draft = directory / f".{CONFIG_NAME}.draft"
    text = sample({key: _toml_text(value) for key, value in given.items()})
    write_private(draft, text.encode())
    settings = load(draft, {})
    create_ledger(settings)
    draft.rename(directory / CONFIG_NAME)
    _sync(directory)
    made = "data/ledger.sqlite" if settings.ledger.is_file else settings.ledger.url
    return [*created, made, CONFIG_NAME]


def _vn_authorities(trust: Path) -> list[str]:
    """Copy the public certificates that come with the program; return their names."""
    from datetime import UTC, datetime
    from importlib import resources

    from gateway.cli import common
    from gateway.trust.registrar import Signed, adopt
    from gateway.trust.trustlist import LIST_FILE, read_list

    shelf = resources.files("certs")
    listed, faults = read_list((shelf / LIST_FILE).read_bytes())
    if listed is None:
        raise RuntimeError(f"the list that comes with the program is broken: {faults}")
    files = {f.name: f.read_bytes() for f in shelf.iterdir() if f.name.endswith(".pem")}
    signed = Signed(common.actor(), "vanlien init --with-vn-authorities", datetime.now(UTC))
    adopt(trust, files, listed, signed)
    return sorted(f"trust/{name}" for name in (*files, LIST_FILE))


def _clear(directory: Path, *, keep: bool) -> None:
    for entry in directory.iterdir():
        if entry.is_dir():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    if not keep:
        directory.rmdir()


def _make_folders_and_keys(directory: Path, token: _Token | None) -> list[str]:
    from gateway.secrets import create_key_file, write_private

    for folder in FOLDERS:
        (directory / folder).mkdir(mode=0o700)
    create_key_file(directory / "keys/secrets.key")
    if token is not None:
        where, public = token.uri, token.public(directory / "keys/receipts.ring.json")
    else:
        where = "keys/receipts.pem"
        private, public = _receipt_keys()
        write_private(directory / where, private)
    (directory / "keys/receipts.pub.pem").write_bytes(public)
    return ["keys/secrets.key", where, "keys/receipts.pub.pem", "trust/"]


def _receipt_keys() -> tuple[bytes, bytes]:
    """Return a fresh Ed25519 pair: private PKCS#8 PEM, public PEM."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return private, public


def _toml_text(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)  # a JSON string is a TOML basic string


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
