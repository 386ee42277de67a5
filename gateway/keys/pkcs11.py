"""A receipt key that never leaves its token (HSM, smart card; SoftHSM in the tests).

Promises: every call to the token's module is made by one thread of ours, so that neither the event
loop nor a second caller waits inside foreign code, and a module that hangs costs one time-out, not
the gateway; a session that was lost, a token that was pulled out and put back, a module that was
restarted are found again by themselves. While the token does not answer, signing raises
UnavailableError (nothing is accepted without its receipt: the caller gets 503 and repeats), with an
alarm and a standing warning. A wrong PIN is tried once and not again until its file changes, by
whichever process: tokens lock themselves. The last try a token allows is left to people. A token
that suddenly holds another key under the name is refused, and every signature is verified before it
is given out. A crash leaves nothing behind; a refused PIN leaves a note of that beside its file.
"""

import contextlib
import hashlib
import os
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.errors import ConfigurationError, UnavailableError
from gateway.keys.tokenuri import TokenUri
from gateway.keys.watch import Stamp, Trouble, stamp
from gateway.receipts.proof import PublicKey, signed_by
from gateway.secrets import read_secret_file

ANSWER_WITHIN_S: Final = 10.0
AGAIN_AFTER_S: Final = 1.0
_RETRY_AFTER_S: Final = 5.0
_ED25519: Final = bytes.fromhex("06032b6570"), bytes.fromhex("130c656477617264733235353139")
_P256: Final = bytes.fromhex("06082a8648ce3d030107")
_T = TypeVar("_T")


class TokenError(Exception):
    """The token did not do what was asked, and why; no PIN, no key."""


def _told(work: Callable[[], _T]) -> _T:
    """Do it; what the library or a file refuses becomes a TokenError."""
    import pkcs11

    try:
        return work()
    except (pkcs11.PKCS11Error, ConfigurationError, OSError) as exc:
        told = str(exc)[:100]
        name = type(exc).__name__
        raise TokenError(f"{name}: {told}" if told else name) from exc


class _Hand:
    """One thread that makes the calls, in order. A daemon: a call that hangs ends with us."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        self._stuck: Future[Any] | None = None
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        while True:
            work, answer = self._jobs.get()
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(_told(work))
            except BaseException as exc:  # noqa: BLE001 - it belongs to who asked
                answer.set_exception(exc)

    def do(self, work: Callable[[], _T], within_s: float) -> _T:
        """Let the thread do it; TokenError when it takes too long, or still hangs."""
        if self._stuck is not None and not self._stuck.done():
            raise TokenError("the module still hangs in an earlier call")
        answer: Future[_T] = Future()
        self._jobs.put((work, answer))
        try:
            return answer.result(within_s)
        except WaitedTooLong as exc:
            if answer.cancel():  # it had not begun: another caller's call is what hangs
                raise TokenError("the module is busy") from exc
            self._stuck = answer
            raise TokenError("the module does not answer") from exc


@dataclass
class _Module:
    """A PKCS#11 module of this process, with what is open of it. Used by its hand alone."""

    path: Path
    hand: _Hand
    library: Any = None
    sessions: dict[str, Any] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[Any, PublicKey]] = field(default_factory=dict)
    refused: dict[Path, Stamp] = field(default_factory=dict)

    def key(self, uri: TokenUri, pin: Path | None) -> tuple[Any, PublicKey]:
        """Return the private key object and its public half, opening whatever is not open."""
        known = self.keys.get((uri.token, uri.object))
        if known is None:
            from pkcs11 import Attribute, ObjectClass

            session = self.session(uri.token, pin)
            private = _only(session, ObjectClass.PRIVATE_KEY, uri.object)
            public = _only(session, ObjectClass.PUBLIC_KEY, uri.object)
            curve, point = public[Attribute.EC_PARAMS], public[Attribute.EC_POINT]
            known = private, public_of(bytes(curve), bytes(point))
            self.keys[uri.token, uri.object] = known
        return known

    def session(self, token: str, pin: Path | None) -> Any:
        """Return the session with a token, logged in."""
        if token not in self.sessions:
            import pkcs11

            if self.library is None:
                self.library = pkcs11.lib(str(self.path))
                self.library.reinitialize()  # a token put in since the module began
            found = self.library.get_token(token_label=token)
            self.sessions[token] = found.open() if pin is None else self._login(found, pin)
        return self.sessions[token]

    def _login(self, token: Any, pin: Path) -> Any:
        """Open a session with the PIN; one the token refused is not tried twice."""
        import pkcs11.exceptions as said
        from pkcs11 import TokenFlag

        now = stamp([pin])
        if now == self.refused.get(pin) or repr(now) == _noted(pin):
            raise TokenError("the PIN was wrong; it is tried again when its file changes")
        if token.flags & TokenFlag.USER_PIN_FINAL_TRY:
            raise TokenError(
                "one try of the PIN is left before the token locks itself: log in by hand"
            )
        try:
            session = token.open(user_pin=read_secret_file(pin))
        except said.UserAlreadyLoggedIn:  # by whoever shares our process
            return token.open()
        except (said.PinIncorrect, said.PinInvalid, said.PinLenRange, said.PinLocked):
            self.refused[pin] = now
            _note(pin, repr(now))
            raise
        self.refused.pop(pin, None)
        _note(pin, "")
        return session

    def forget(self) -> None:
        """Let go of everything: the next call begins anew."""
        self.keys.clear()
        self.sessions.clear()
        self.library = None


def _only(session: Any, kind: Any, label: str) -> Any:
    """Return the one object of a kind and label; never a guess between two.

    All are listed: a search that is left in its middle stays open in the module.
    """
    from pkcs11 import Attribute
    from pkcs11.exceptions import MultipleObjectsReturned, NoSuchKey

    found = list(session.get_objects({Attribute.CLASS: kind, Attribute.LABEL: label}))
    if not found:
        raise NoSuchKey(f"nothing is called {label!r}")
    if len(found) > 1:
        raise MultipleObjectsReturned(f"{len(found)} are called {label!r}")
    return found[0]


def _noted(pin: Path) -> str:
    """Return which state of a PIN file the token refused, "" when none is known."""
    try:
        return _note_of(pin).read_text(encoding="ascii")
    except (OSError, ValueError):
        return ""


def _note(pin: Path, text: str) -> None:
    """Tell the other processes, and those started after us: each would spend a try of the token."""
    with contextlib.suppress(OSError):  # the folder may be read-only: then each tries once
        if text:
            descriptor = os.open(_note_of(pin), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as out:
                out.write(text)
        else:
            _note_of(pin).unlink(missing_ok=True)


def _note_of(pin: Path) -> Path:
    return pin.with_name(pin.name + ".refused")


_modules: dict[Path, _Module] = {}
_gate: Final = threading.Lock()


def _module(path: Path) -> _Module:
    """Return the one door to a module: a process initialises it once, whoever asks."""
    with _gate:
        if path not in _modules:
            _modules[path] = _Module(path, _Hand("token"))
        return _modules[path]


class TokenKey:
    """RawSigner over a key in a token.

    Args:
        uri: Which one.
        pin_file: One line; None for a token that asks for none.
        within_s: How long one call may take.

    Raises:
        ConfigurationError: The token, the key or the PIN is not there or not usable.
    """

    def __init__(
        self, uri: TokenUri, pin_file: Path | None, *, within_s: float = ANSWER_WITHIN_S
    ) -> None:
        self._uri = uri
        self._pin_file = pin_file
        self._within_s = within_s
        self._module = _module(uri.module)
        self._trouble = Trouble("receipt key token")
        self._again_at = 0.0
        try:
            self._public = self._module.hand.do(self._open, within_s)
        except TokenError as exc:
            raise ConfigurationError(f"{uri}: {exc}") from exc

    def public_key(self) -> PublicKey:
        """Return the public half, as the token told it when it was opened first."""
        return self._public

    def sign(self, data: bytes, /) -> bytes:
        """Return the signature JWS wants.

        Raises:
            UnavailableError: The token does not answer; it is tried anew at most once a second.
        """
        if time.monotonic() < self._again_at:
            raise _unavailable()
        try:
            signed = self._module.hand.do(lambda: self._sign(data), self._within_s)
        except TokenError as exc:
            self._again_at = time.monotonic() + AGAIN_AFTER_S
            self._trouble.begin(subject=str(exc))
            raise _unavailable() from exc
        self._trouble.end()
        return signed

    # ------------------------------------------------------------ in the module's thread

    def _open(self) -> PublicKey:
        try:
            return _told(self._read_public)
        except TokenError:
            self._module.forget()  # what is open may be older than the token
        try:
            return self._read_public()
        except BaseException:
            self._module.forget()
            raise

    def _sign(self, data: bytes) -> bytes:
        try:
            return _told(lambda: self._signed(data))
        except TokenError:
            # A session does not outlive its token or its module: once more, from the beginning.
            self._module.forget()
        try:
            return self._signed(data)
        except BaseException:
            self._module.forget()
            raise

    def _signed(self, data: bytes) -> bytes:
        import pkcs11

        key, public = self._module.key(self._uri, self._pin_file)
        if public != self._public:
            raise TokenError("the token holds another key under this name")
        if isinstance(self._public, Ed25519PublicKey):
            signed = bytes(key.sign(data, mechanism=pkcs11.Mechanism.EDDSA))
        else:
            digest = hashlib.sha256(data).digest()
            signed = bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))
        # A private and a public object of one label need not belong together, and modules have
        # forms of their own: what does not verify is not handed to anybody as a receipt.
        if len(signed) != 64 or not signed_by(self._public, signed, data):
            raise TokenError("the token gave no signature of this key")
        return signed

    def _read_public(self) -> PublicKey:
        self._public = self._module.key(self._uri, self._pin_file)[1]
        self._signed(
            b"vanlien: does this token sign?"
        )  # told at the start, not by the first receipt
        return self._public


def public_of(curve: bytes, point: bytes) -> PublicKey:
    """Return the public key behind two attributes of a token's object.

    Args:
        curve: CKA_EC_PARAMS: the curve's OID, or its name as some modules write Ed25519.
        point: CKA_EC_POINT: an OCTET STRING in DER, or the bare point as some modules give it.

    Raises:
        TokenError: Neither Ed25519 nor P-256.
    """
    bare = point[2:] if len(point) in {34, 67} and point[:1] == b"\x04" else point
    try:
        if curve in _ED25519:
            return Ed25519PublicKey.from_public_bytes(bare)
        if curve == _P256:
            return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bare)
    except ValueError as exc:
        raise TokenError("its public point is no point of its curve") from exc
    raise TokenError("it is neither Ed25519 nor P-256")


def make_key(uri: TokenUri, pin_file: Path | None, *, p256: bool = False) -> None:
    """Make a key pair inside the token; nothing of its private half ever leaves it.

    Args:
        uri: Where; there must be nothing under this name yet.
        pin_file: One line.
        p256: For tokens that know no Ed25519.

    Raises:
        ConfigurationError: It cannot be made there, or the name is taken.
    """
    import pkcs11
    from pkcs11.util.ec import encode_named_curve_parameters

    pin = None if pin_file is None else read_secret_file(pin_file)
    door = _module(uri.module)

    def make() -> None:
        door.forget()
        library = pkcs11.lib(str(uri.module))
        library.reinitialize()
        with library.get_token(token_label=uri.token).open(rw=True, user_pin=pin) as session:
            if any(True for _ in session.get_objects({pkcs11.Attribute.LABEL: uri.object})):
                raise TokenError("the name is taken in this token")
            kind = pkcs11.KeyType.EC if p256 else pkcs11.KeyType.EC_EDWARDS
            curve = encode_named_curve_parameters("secp256r1") if p256 else _ED25519[0]
            how = pkcs11.Mechanism.EC_KEY_PAIR_GEN
            if not p256:
                how = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            session.create_domain_parameters(
                kind, {pkcs11.Attribute.EC_PARAMS: curve}, local=True
            ).generate_keypair(mechanism=how, store=True, label=uri.object)

    try:
        door.hand.do(make, 60.0)
    except TokenError as exc:
        raise ConfigurationError(f"{uri}: {exc}") from exc


def _unavailable() -> UnavailableError:
    return UnavailableError(
        public="receipts cannot be signed now: the key's token does not answer",
        retry_after_s=_RETRY_AFTER_S,
    )
