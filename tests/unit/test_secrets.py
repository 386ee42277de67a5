"""Keys: what is stored opens nothing, what is sealed opens only where it belongs."""

import re
import stat

import pytest

from gateway import secrets
from gateway.domain.persons import same_person
from gateway.errors import ConfigurationError, IntegrityError

KEY = bytes(range(32))


def test_api_keys_have_their_form_and_differ():
    one, two = secrets.new_api_key(), secrets.new_api_key()
    assert re.fullmatch(r"vl_[a-z2-7]{16}_[A-Za-z0-9_-]{43}", one.text)
    assert one.text != two.text
    assert one.key_id != two.key_id
    assert secrets.api_key_id(one.text) == one.key_id


def test_an_api_key_never_shows_itself_in_a_repr():
    key = secrets.new_api_key()
    assert key.text not in repr(key)


def test_an_api_key_matches_its_own_hash_only():
    one, two = secrets.new_api_key(), secrets.new_api_key()
    assert secrets.api_key_matches(one.text, one.sha256)
    assert not secrets.api_key_matches(two.text, one.sha256)
    assert not secrets.api_key_matches(one.text + "x", one.sha256)


@pytest.mark.parametrize(
    "text",
    ["", "vl__", "vl_abc_def", "Bearer x", "vl_aaaaaaaaaaaaaaaa_" + "x" * 42, "\udc80", "vl_" * 99],
)
def test_what_is_no_api_key_has_no_id_and_matches_nothing(text):
    assert secrets.api_key_id(text) is None
    assert not secrets.api_key_matches(text, secrets.new_api_key().sha256)


def test_a_trailing_newline_is_not_part_of_a_key():
    assert secrets.api_key_id(secrets.new_api_key().text + "\n") is None


def test_sealed_secrets_open_again():
    sealed = secrets.seal_secret(KEY, b"bi mat", system_id="qlvb", credential_id="c1")
    assert b"bi mat" not in sealed
    assert secrets.open_secret(KEY, sealed, system_id="qlvb", credential_id="c1") == b"bi mat"


def test_the_same_secret_is_sealed_differently_each_time():
    seals = {secrets.seal_secret(KEY, b"x", system_id="a", credential_id="b") for _ in range(20)}
    assert len(seals) == 20


@pytest.mark.parametrize(
    ("key", "system_id", "credential_id"),
    [
        (bytes(32), "qlvb", "c1"),
        (KEY, "other", "c1"),
        (KEY, "qlvb", "c2"),
        (KEY, "qlvbc", "1"),
    ],
)
def test_a_row_moved_elsewhere_does_not_open(key, system_id, credential_id):
    sealed = secrets.seal_secret(KEY, b"x", system_id="qlvb", credential_id="c1")
    with pytest.raises(IntegrityError, match="does not open"):
        secrets.open_secret(key, sealed, system_id=system_id, credential_id=credential_id)


def test_every_changed_byte_is_seen():
    sealed = secrets.seal_secret(KEY, b"secret", system_id="a", credential_id="b")
    for at in range(len(sealed)):
        bad = sealed[:at] + bytes([sealed[at] ^ 1]) + sealed[at + 1 :]
        with pytest.raises(IntegrityError):
            secrets.open_secret(KEY, bad, system_id="a", credential_id="b")


@pytest.mark.parametrize("cut", [0, 1, 5, 13, 20])
def test_a_cut_row_is_refused(cut):
    sealed = secrets.seal_secret(KEY, b"secret", system_id="a", credential_id="b")
    with pytest.raises(IntegrityError):
        secrets.open_secret(KEY, sealed[:cut], system_id="a", credential_id="b")


def test_the_separator_cannot_be_smuggled_in():
    with pytest.raises(ValueError, match="NUL"):
        secrets.seal_secret(KEY, b"x", system_id="a\0b", credential_id="c")


def test_the_key_file_is_private_and_read_back(tmp_path):
    path = tmp_path / "secrets.key"
    key = secrets.create_key_file(path)
    assert len(key) == 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert secrets.read_key_file(path) == key


def test_a_key_file_is_never_overwritten(tmp_path):
    path = tmp_path / "secrets.key"
    key = secrets.create_key_file(path)
    with pytest.raises(FileExistsError):
        secrets.create_key_file(path)
    assert secrets.read_key_file(path) == key


def test_a_link_in_the_place_of_a_key_file_is_not_followed(tmp_path):
    target = tmp_path / "elsewhere"
    (tmp_path / "secrets.key").symlink_to(target)
    with pytest.raises(OSError, match="exists"):
        secrets.create_key_file(tmp_path / "secrets.key")
    assert not target.exists()


@pytest.mark.parametrize(
    ("content", "mode", "says"),
    [
        (None, 0o600, "cannot read"),
        (b"!!!", 0o600, "not base64"),
        (b"", 0o600, "0 bytes"),
        (b"QUJD\n", 0o600, "3 bytes"),
        (b"x" * 44, 0o644, "readable by everyone"),
    ],
)
def test_a_bad_key_file_is_named(tmp_path, content, mode, says):
    path = tmp_path / "k"
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    with pytest.raises(ConfigurationError, match=says):
        secrets.read_key_file(path)


def test_a_secret_file_is_one_line(tmp_path):
    path = tmp_path / "s"
    path.write_bytes("\ufeffkhóa-của-trục\r\n".encode())
    path.chmod(0o600)
    assert secrets.read_secret_file(path) == "khóa-của-trục"


@pytest.mark.parametrize("content", [b"", b"\n", b"a\nb\n", b"\xff\xfe"])
def test_a_secret_file_that_is_not_one_line_is_refused(tmp_path, content):
    path = tmp_path / "s"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigurationError):
        secrets.read_secret_file(path)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Nguyễn Văn An", "nguyễn  văn an", True),
        ("Nguyễn Văn An", "Nguye\u0302\u0303n Va\u0306n An", True),
        ("Nguyễn Văn An", "Nguyen Van An", False),
        ("Nguyễn Văn An", "Trần Thị Bình", False),
    ],
)
def test_who_is_the_same_person(one, other, same):
    assert same_person(one, other) is same
