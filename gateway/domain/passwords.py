"""What a password must be: long, and not one that everybody tries first. Pure.

ACC-13 (S004 art 3.2). No rules about kinds of characters: they make passwords worse. Length counts
in characters after composition, so that the same keys give the same password on any keyboard.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from typing import Final

from gateway.domain.folding import plain
from gateway.domain.machine import Text

LONGEST: Final = 256
_LEET: Final = str.maketrans("013457@$!", "oieastasi")
# What lists of stolen passwords begin with, and what is typed first here: without digits and signs.
_WORDS: Final = """
    password passwords matkhau matkhaucuatoi mat khau admin administrator quantri quantrivien
    vanthu vanphong lienthong vanban congvan welcome letmein iloveyou anhyeuem emyeuanh yeuem
    yeuanh vietnam hanoi saigon danang hochiminh langson secret master superman monkey dragon
    football baseball princess sunshine login changeme default guest user test qwerty qwertyuiop
    asdfghjkl zxcvbnm abc abcd abcdef abcdefgh hello xinchao chaoban khongbiet khongcho khongco
    taikhoan nguoidung nguyenvan nguyenvana nguyenthi tranvan tranthi sonoivu ubnd uyban
    uybannhandan chinhphu nhanuoc donvi phong phanmem hethong vanlien
"""
_COMMON: Final = frozenset(_WORDS.split())
_ROWS: Final = ("qwertyuiop", "asdfghjkl", "zxcvbnm", "1234567890", "abcdefghijklmnopqrstuvwxyz")


def composed(password: str) -> str:
    """Return a password as it is kept: the same letters, however a keyboard composes them."""
    return unicodedata.normalize("NFKC", password)


def faults(password: str, *, least: int, login: str = "", name: str = "") -> tuple[Text, ...]:
    """Return everything that is wrong with a password, nothing when it is good."""
    return tuple(_faults(composed(password), least, login, name))


def _faults(password: str, least: int, login: str, name: str) -> Iterator[Text]:
    if len(password) < least:
        yield Text(f"Mật khẩu phải có ít nhất {least} ký tự", f"At least {least} characters")
    if len(password) > LONGEST:
        yield Text(f"Mật khẩu dài nhất {LONGEST} ký tự", f"At most {LONGEST} characters")
    if _is_common(password):
        yield Text(
            "Mật khẩu này quá phổ biến hoặc lặp lại; hãy dùng vài từ không liên quan nhau",
            "Too common, or the same over and over; use some words that do not belong together",
        )
    bare = plain(password).replace(" ", "")
    own = (plain(login.partition("@")[0]), *plain(name).split()[-1:], plain(name))
    if _mostly(bare, own):
        yield Text(
            "Mật khẩu không được là tên đăng nhập hay họ tên", "Not the login, nor the own name"
        )


def _mostly(bare: str, own: tuple[str, ...]) -> bool:
    """Tell whether somebody's own names are nearly all of it."""
    names = [n for n in (one.replace(" ", "") for one in own) if len(n) > 2]
    return any(n in bare and len(bare) - len(n) * bare.count(n) < 6 for n in names)


def _is_common(password: str) -> bool:
    low = plain(password).replace(" ", "")
    if len(set(password)) < 5 or _repeats(password.casefold()) or _runs(low):
        return True
    # Years and signs around a word, and digits that look like letters in it, hide it from nobody.
    core = re.sub(r"^[\W\d_]+|[\W\d_]+$", "", password.casefold()).translate(_LEET)
    spelled = plain(core).replace(" ", "")
    words = {re.sub(r"[^a-z]", "", low), re.sub(r"[^a-z]", "", spelled)}
    return any(word in _COMMON or _repeated_unit(word) in _COMMON for word in words)


def _repeats(text: str) -> bool:
    unit = _repeated_unit(text)
    return unit != text and len(unit) < 8


def _repeated_unit(text: str) -> str:
    """Return the shortest beginning that makes the text by being repeated."""
    at = (text + text).find(text, 1)
    return text[:at] if text else text


def _runs(text: str) -> bool:
    """Tell whether neighbours on the keyboard or in the alphabet are most of it."""
    near = sum(
        any(a + b in row or b + a in row for row in _ROWS) for a, b in itertools.pairwise(text)
    )
    return len(text) > 1 and near / (len(text) - 1) > 0.7
