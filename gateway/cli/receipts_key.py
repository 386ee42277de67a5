"""`vanlien receipts key`: make a receipt key, let it sign, give one up; list them all.

Every change is audited with its reason. Activating writes the hand-over into the receipt log first,
signed by the old key and the new, then the ring: a crash between the two leaves the old key
signing, and the command is given again. Nothing here deletes a key.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gateway.cli import common
from gateway.cli.common import CONFIG_NAME, ConfigOption, JsonOption, ReasonOption, local_iso
from gateway.cli.frame import OK, UsageFault, emit, examples

if TYPE_CHECKING:
    from gateway.keys.receiptkey import KeyPlace
    from gateway.receipts.ring import Ring, RingKey
    from gateway.receipts.sign import ReceiptKey

_Kid = Annotated[
    str, typer.Argument(metavar="KID", help="Khóa, hoặc phần đầu. / The key, or its beginning.")
]
_STATES = {
    "new": "mới, chưa ký / new",
    "waiting": "chờ đến giờ / waits for its time",
    "signs": "ĐANG KÝ / SIGNS",
    "kept": "thôi ký / signs no more",
    "retired": "đã bỏ / retired",
}


def list_keys(
    pem: Annotated[
        bool, typer.Option("--pem", help="In mọi khóa công khai. / Print every public key.")
    ] = False,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Liệt kê các khóa hồi báo. / List the receipt keys."""
    ring, now = _place(config).begun(), datetime.now(UTC)
    rows = [_row(ring, key, now) for key in ring.keys]
    if pem:
        human: Any = "".join(key.public_key for key in ring.keys)
    else:
        columns = ("Khóa / Key", "Trạng thái", "Ký từ / Signs from", "Ở đâu / Where")
        cells = [
            (row["kid"], _STATES[row["state"]], row["signs_from"], row["where"]) for row in rows
        ]
        human = common.table("Khóa hồi báo / Receipt keys", columns, cells)
    emit({"keys": rows}, human, as_json)
    return OK


def new(
    reason: ReasonOption,
    token: Annotated[
        str | None,
        typer.Option("--token", help="URI PKCS#11: tạo trong thiết bị. / Make it in a token."),
    ] = None,
    existing: Annotated[
        bool,
        typer.Option("--existing", help="Khóa có sẵn trong thiết bị. / It is in the token already"),
    ] = False,
    p256: Annotated[
        bool, typer.Option("--p256", help="P-256, cho thiết bị không có Ed25519. / For such tokens")
    ] = False,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Tạo khóa mới; chưa ký cho tới khi activate. / Make a key; it signs once activated."""
    why = common.stated(reason)
    place = _place(config)
    ring = place.begun()
    key, where = _made(place, token, existing=existing, p256=p256)
    from gateway.receipts.ring import RingKey
    from gateway.receipts.sign import public_pem

    entry = RingKey(key.kid, public_pem(key), where, datetime.now(UTC).isoformat())
    grown = ring.adding(entry)
    with common.opened(config) as store:
        store.record("receipt-key-made", f"receipt-key:{key.kid}", by=common.actor(), reason=why)
    place.write(grown)
    public = place.ring.parent / f"receipts-{key.kid[:8]}.pub.pem"
    public.write_text(entry.public_key, encoding="ascii")
    human = (
        f"Khóa mới / new key: {key.kid} ({where})\n"
        f"Khóa công khai / public key: {public}\n"
        f"Tiếp theo / next: vanlien receipts key activate {key.kid[:8]} --reason …"
    )
    emit({"kid": key.kid, "where": where, "public_key": entry.public_key}, human, as_json)
    return OK


def activate(
    kid: _Kid,
    reason: ReasonOption,
    at: Annotated[
        str | None,
        typer.Option("--at", help="Từ lúc nào; mặc định ngay. / From when; now by default."),
    ] = None,
    lost: Annotated[
        bool,
        typer.Option(
            "--old-key-lost",
            help="Khóa cũ không còn: sổ sẽ ghi rõ điều đó. / The old key is gone: the log says so.",
        ),
    ] = False,
    *,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Cho một khóa ký từ nay; khóa cũ và mới cùng ký vào sổ. / Let a key sign from now on."""
    from gateway.domain.moments import iso
    from gateway.receipts.sign import key_change

    why, now = common.stated(reason), datetime.now(UTC)
    begins = now if at is None else common.moment(at, "--at")
    if begins < now:
        raise UsageFault("--at đã qua", "--at lies in the past")
    place = _place(config)
    ring = place.begun()
    chosen = ring.get(kid)
    turned = ring.activating(chosen.kid, begins)
    before = ring.signer(now)
    old = None if lost else place.open(before.key)
    facts = key_change(old, _checked(place, chosen), before.kid, iso(begins))
    with common.opened(config) as store:
        store.change_receipt_key(facts, by=common.actor(), reason=why)
    place.write(turned)
    from_time = local_iso(begins)
    human = (
        f"{chosen.kid}: ký từ / signs from {from_time}\n"
        "Máy chủ đang chạy dùng khóa này trong vài giây. Gửi khóa công khai mới cho bên kiểm tra.\n"
        "Running servers use it within seconds. Give the new public key to who verifies."
    )
    emit({"kid": chosen.kid, "before": before.kid, "signs_from": from_time}, human, as_json)
    return OK


def retire(
    kid: _Kid,
    reason: ReasonOption,
    config: ConfigOption = Path(CONFIG_NAME),
    as_json: JsonOption = False,
) -> int:
    """Bỏ một khóa: không bao giờ ký nữa; khóa công khai còn mãi. / Give a key up for signing."""
    why, now = common.stated(reason), datetime.now(UTC)
    place = _place(config)
    ring = place.begun()
    key = ring.get(kid)
    without = ring.retiring(key.kid, now)
    with common.opened(config) as store:
        store.record("receipt-key-retired", f"receipt-key:{key.kid}", by=common.actor(), reason=why)
    place.write(without)
    human = (
        f"{key.kid}: đã bỏ / retired. Có thể hủy khóa riêng / its private half may be destroyed:"
        f" {key.key}"
    )
    emit({"kid": key.kid, "retired_at": local_iso(now), "where": key.key}, human, as_json)
    return OK


# ---------------------------------------------------------------- pieces


def _place(config: Path) -> "KeyPlace":
    from gateway.config import load
    from gateway.policies import receipt_keys_of

    return receipt_keys_of(load(config))


def _made(
    place: "KeyPlace", token: str | None, *, existing: bool, p256: bool
) -> "tuple[ReceiptKey, str]":
    """Return a key made now (or found in a token), and where it is."""
    from gateway.receipts.sign import generate

    if token is None:
        if existing or p256:
            raise UsageFault(
                "--existing và --p256 chỉ dùng cùng --token", "--existing and --p256 need --token"
            )
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        name = f"receipts-{stamp}.pem"
        return generate(place.ring.parent / name), name
    from gateway.keys.pkcs11 import make_key
    from gateway.keys.tokenuri import read_uri

    try:
        uri = read_uri(token)
    except ValueError as exc:
        raise UsageFault(f"--token sai: {exc}", f"--token: {exc}") from exc
    if not existing:
        make_key(uri, place.pin_file, p256=p256)
    return place.open(str(uri)), str(uri)


def _checked(place: "KeyPlace", entry: "RingKey") -> "ReceiptKey":
    from gateway.errors import ConfigurationError

    key = place.open(entry.key)
    if key.kid != entry.kid:
        raise ConfigurationError(f"{entry.key} holds another key than {entry.kid}")
    return key


def _row(ring: "Ring", key: "RingKey", now: datetime) -> dict[str, Any]:
    from gateway.receipts.ring import ALWAYS

    always = key.signs_from == ALWAYS
    begins = datetime.fromisoformat(key.signs_from) if key.signs_from else None
    return {
        "kid": key.kid,
        "state": ring.state(key, now).value,
        "signs_from": "từ đầu / always" if always else local_iso(begins),
        "where": key.key,
        "public_key": key.public_key,
    }


def register(group: typer.Typer) -> None:
    """Add `key` to the group `receipts`."""
    keys = typer.Typer(help="Khóa hồi báo / receipt keys.", no_args_is_help=True)
    keys.command(
        "list",
        epilog=examples(
            "vanlien receipts key list --config vanlien.toml",
            "vanlien receipts key list --pem > receipts.pub.pem",
        ),
    )(list_keys)
    keys.command(
        "new",
        epilog=examples(
            "vanlien receipts key new --reason 'đổi khóa hằng năm'",
            "vanlien receipts key new --reason HSM --token "
            "'pkcs11:token=vanlien;object=hoi-bao-2027?module-path=/usr/lib/softhsm/libsofthsm2.so'",
        ),
    )(new)
    # A kid is base64url and may begin with "-": it is no option, and these have no short ones.
    dashed = {"ignore_unknown_options": True}
    keys.command(
        "activate",
        context_settings=dashed,
        epilog=examples(
            "vanlien receipts key activate 8GbN3kP1 --reason 'đổi khóa hằng năm'",
            "vanlien receipts key activate 8GbN3kP1 --at 2027-01-01T00:00:00+07:00 --reason 2027",
        ),
    )(activate)
    keys.command(
        "retire",
        context_settings=dashed,
        epilog=examples("vanlien receipts key retire 2xQm0aZr --reason 'đã đổi sang khóa mới'"),
    )(retire)
    group.add_typer(keys, name="key")
