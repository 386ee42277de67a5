"""The receipt key in a token: SoftHSM, pulled out, put back, hanging, with a wrong PIN."""

import json
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway import measures
from gateway.__main__ import main
from gateway.errors import ConfigurationError, UnavailableError
from gateway.keys import pkcs11
from gateway.keys.pkcs11 import TokenError, TokenKey, make_key, public_of
from gateway.receipts import proof, sign
from tests.world.receipt_log import AT
from tests.world.servers import softhsm


@pytest.fixture
def token():
    made = softhsm.token()
    yield made
    if made.folder.with_name("gone").exists():
        made.put_back()


@pytest.fixture
def impatient(monkeypatch):
    """Try a token anew at once."""
    monkeypatch.setattr(pkcs11, "AGAIN_AFTER_S", 0.0)


def warned():
    what = {"what": "receipt key token"}
    return measures.REGISTRY.get_sample_value("vanlien_standing_warning", what) or 0


def opened(token, folder, name="receipts", *, p256=False, make=True):
    pin = token.pin_file(folder)
    if make:
        make_key(token.uri(name), pin, p256=p256)
    return sign.ReceiptKey(TokenKey(token.uri(name), pin))


@pytest.mark.parametrize(
    ("p256", "kind", "alg"),
    [(False, Ed25519PublicKey, "Ed25519"), (True, ec.EllipticCurvePublicKey, "ES256")],
)
def test_a_token_signs_what_the_verifier_accepts(token, tmp_path, p256, kind, alg):
    key = opened(token, tmp_path, p256=p256)
    assert isinstance(key.public, kind)
    signed = sign.tree_head(key, 7, "e" * 64, AT)
    assert sign.verify_tree_head(signed, key.public).size == 7
    assert proof.algorithm(key.public) == alg
    assert proof.load_keys(sign.public_pem(key).encode()) == {key.kid: key.public}
    with pytest.raises(ConfigurationError, match="taken"):
        make_key(token.uri("receipts"), token.pin_file(tmp_path))


def test_two_keys_of_one_token_sign_side_by_side_from_many_threads(token, tmp_path):
    first, second = opened(token, tmp_path), opened(token, tmp_path, "next", p256=True)
    wrong = []

    def work(key):
        for size in range(30):
            try:
                sign.verify_tree_head(sign.tree_head(key, size, "a" * 64, AT), key.public)
            except (ValueError, UnavailableError) as exc:
                wrong.append(exc)

    threads = [threading.Thread(target=work, args=(key,)) for key in (first, second) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_pulled_out_it_is_unavailable_and_put_back_it_signs_by_itself(token, tmp_path, impatient):
    key = opened(token, tmp_path)
    token.pull_out()
    for _ in range(2):
        with pytest.raises(UnavailableError) as refused:
            sign.tree_head(key, 1, "a" * 64, AT)
    assert refused.value.retry_after_s
    assert warned() == 1
    token.put_back()
    signed = sign.tree_head(key, 1, "a" * 64, AT)
    assert sign.verify_tree_head(signed, key.public)
    assert warned() == 0


def test_tried_anew_once_a_second_at_most(token, tmp_path, monkeypatch):
    key = opened(token, tmp_path)
    now = 1000.0
    monkeypatch.setattr(pkcs11.time, "monotonic", lambda: now)
    token.pull_out()
    with pytest.raises(UnavailableError):
        sign.tree_head(key, 1, "a" * 64, AT)
    token.put_back()
    with pytest.raises(UnavailableError):
        sign.tree_head(key, 1, "a" * 64, AT)
    now += 1.0
    assert sign.tree_head(key, 1, "a" * 64, AT)


def test_a_lost_session_is_opened_again_unseen(token, tmp_path):
    key = opened(token, tmp_path)
    door = pkcs11._modules[softhsm.MODULE]
    door.hand.do(door.library.reinitialize, 60.0)
    assert sign.verify_tree_head(sign.tree_head(key, 1, "a" * 64, AT), key.public)


def test_another_key_under_the_same_name_does_not_sign(token, tmp_path, impatient):
    key = opened(token, tmp_path)
    door = pkcs11._modules[softhsm.MODULE]

    def swap():
        import pkcs11 as library

        door.forget()
        module = library.lib(str(softhsm.MODULE))
        module.reinitialize()
        with module.get_token(token_label=token.label).open(rw=True, user_pin="1234") as session:
            for found in list(session.get_objects({library.Attribute.LABEL: "receipts"})):
                found.destroy()

    door.hand.do(swap, 60.0)
    make_key(token.uri("receipts"), token.pin_file(tmp_path))
    for _ in range(2):
        with pytest.raises(UnavailableError) as refused:
            sign.tree_head(key, 1, "a" * 64, AT)
        assert "another key" in str(refused.value.__cause__)
    assert warned()
    assert opened(token, tmp_path, make=False).kid != key.kid


def test_a_wrong_pin_is_tried_once_until_its_file_changes(token, tmp_path, monkeypatch):
    make_key(token.uri("receipts"), token.pin_file(tmp_path))
    pin = token.pin_file(tmp_path, "9999")
    tried = []
    plain = pkcs11.read_secret_file
    monkeypatch.setattr(pkcs11, "read_secret_file", lambda p: (tried.append(p), plain(p))[1])
    for _ in range(3):
        with pytest.raises(ConfigurationError):
            TokenKey(token.uri("receipts"), pin)
    assert len(tried) == 1
    assert TokenKey(token.uri("receipts"), token.pin_file(tmp_path, "1234"))


def test_a_pin_another_process_was_refused_is_not_tried_by_this_one(token, tmp_path):
    """Ten processes that start again and again would lock a real token in a second."""
    make_key(token.uri("receipts"), token.pin_file(tmp_path))
    pin = token.pin_file(tmp_path, "9999")
    with pytest.raises(ConfigurationError, match="PIN was wrong"):
        TokenKey(token.uri("receipts"), pin)
    note = tmp_path / "token.pin.refused"
    assert note.stat().st_mode & 0o777 == 0o600
    assert "9999" not in note.read_text()
    door = pkcs11._modules[softhsm.MODULE]
    door.refused.clear()  # as a process that has just begun knows nothing
    with pytest.raises(ConfigurationError, match="when its file changes"):
        TokenKey(token.uri("receipts"), pin)
    assert TokenKey(token.uri("receipts"), token.pin_file(tmp_path, "1234"))
    assert not note.exists()


def test_halves_that_do_not_belong_together_sign_nothing(token, tmp_path):
    """Two pairs under one label, of which one half each was deleted."""
    pin = token.pin_file(tmp_path)
    for name in ("receipts", "other"):
        make_key(token.uri(name), pin)
    door = pkcs11._modules[softhsm.MODULE]

    def mix():
        import pkcs11 as library

        label, kind = library.Attribute.LABEL, library.Attribute.CLASS
        door.forget()
        module = library.lib(str(softhsm.MODULE))
        module.reinitialize()
        with module.get_token(token_label=token.label).open(rw=True, user_pin="1234") as session:
            public = {label: "receipts", kind: library.ObjectClass.PUBLIC_KEY}
            for found in list(session.get_objects(public)):
                found.destroy()
            public = {label: "other", kind: library.ObjectClass.PUBLIC_KEY}
            for found in list(session.get_objects(public)):
                found[label] = "receipts"

    door.hand.do(mix, 60.0)
    with pytest.raises(ConfigurationError, match="no signature of this key"):
        TokenKey(token.uri("receipts"), pin)


def test_two_keys_or_two_tokens_of_one_name_are_not_guessed_between(token, tmp_path):
    pin = token.pin_file(tmp_path)
    for name in ("receipts", "other"):
        make_key(token.uri(name), pin)
    door = pkcs11._modules[softhsm.MODULE]

    def rename():
        import pkcs11 as library

        label = library.Attribute.LABEL
        door.forget()
        module = library.lib(str(softhsm.MODULE))
        module.reinitialize()
        with module.get_token(token_label=token.label).open(rw=True, user_pin="1234") as session:
            for found in list(session.get_objects({label: "other"})):
                found[label] = "receipts"

    door.hand.do(rename, 60.0)
    with pytest.raises(ConfigurationError, match="MultipleObjects"):
        TokenKey(token.uri("receipts"), pin)


def test_what_is_not_there_is_said(token, tmp_path):
    pin = token.pin_file(tmp_path)
    with pytest.raises(ConfigurationError, match="NoSuchKey"):
        TokenKey(token.uri("nothing"), pin)
    with pytest.raises(ConfigurationError, match="NoSuchToken"):
        TokenKey(softhsm.TokenUri(softhsm.MODULE, "nowhere", "receipts"), pin)
    with pytest.raises(ConfigurationError):
        TokenKey(softhsm.TokenUri(tmp_path / "none.so", "nowhere", "receipts"), pin)


def test_a_module_that_hangs_costs_one_wait():
    hand = pkcs11._Hand("test")
    going, free = threading.Event(), threading.Event()

    def hang():
        going.set()
        free.wait(60)

    while not going.is_set():  # a thread that is slow to begin is only "busy"
        with pytest.raises(TokenError, match=r"not answer|busy|hangs"):
            hand.do(hang, 0.05)
    with pytest.raises(TokenError, match="hangs"):
        hand.do(lambda: 1, 60.0)
    free.set()
    hand._stuck.result(60)
    assert hand.do(lambda: 1, 60.0) == 1


def test_points_and_curves_of_modules_that_write_them_otherwise():
    private = ec.generate_private_key(ec.SECP256R1())
    public = private.public_key()
    bare = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    for point in (bare, b"\x04\x41" + bare):
        assert public_of(bytes.fromhex("06082a8648ce3d030107"), point) == public
    with pytest.raises(TokenError):
        public_of(bytes.fromhex("06082a8648ce3d030107"), bare[:-1])
    with pytest.raises(TokenError):
        public_of(b"\x06\x01\x00", bare)


def test_a_gateway_begins_with_its_key_in_a_token(token, tmp_path, capsys):
    def vanlien(*words):
        code = main([*map(str, words), "--json"])
        return code, json.loads(capsys.readouterr().out)

    home, uri, pin = tmp_path / "home", token.uri("hoi-bao"), token.pin_file(tmp_path)
    given = ["--pkcs11", uri, "--pin-file", pin]
    code, made = vanlien("init", home, *given)
    assert code == 0, made
    assert str(uri) in made["created"]
    assert not (home / "keys/receipts.pem").exists()
    config = ["--config", home / "vanlien.toml"]
    assert vanlien("check-config", *config)[0] == 0
    (key,) = vanlien("receipts", "key", "list", *config)[1]["keys"]
    assert (key["where"], key["state"]) == (str(uri), "signs")
    assert key["public_key"] == (home / "keys/receipts.pub.pem").read_text()
    assert pin.read_text().strip() not in (home / "vanlien.toml").read_text()
    # The name is taken now: nothing is overwritten, nothing left behind; asked for, it is used.
    other = tmp_path / "other"
    code, refused = vanlien("init", other, *given)
    assert (code, "taken" in refused["error"]["message_en"]) == (64, True)
    assert not other.exists()
    assert vanlien("init", other, *given, "--existing")[0] == 0
    public = (tmp_path / n / "keys/receipts.pub.pem" for n in ("home", "other"))
    assert len({path.read_bytes() for path in public}) == 1
    for wrong in (
        ["--p256"],
        ["--pkcs11", "pkcs11:x"],
        [*given[:2], "--pin-file", tmp_path / "no"],
    ):
        assert vanlien("init", tmp_path / "third", *wrong)[0] == 64
        assert not (tmp_path / "third").exists()
