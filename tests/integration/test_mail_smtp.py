"""Mail to a real SMTP server in this process: TLS, STARTTLS, passwords, refusals."""

import ssl
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from adapters.mail.smtp import Server, SmtpPost
from gateway.ports.watch import Letter
from tests.world.servers.ports import free_port
from tests.world.tls_pairs import pair, put

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
LETTER = Letter("t-1@x.vn", "truc@x.vn", "[KHẨN] Văn bản khẩn đang chờ", "Từ 13:00\n.\ncuối\n")


class Box:
    """Keeps what it is given; answers RCPT as told."""

    def __init__(self) -> None:
        self.taken = []
        self.answer = "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if self.answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.answer

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.taken.append(
            (session.ssl is not None, message_from_bytes(envelope.content, policy=policy.default))
        )
        return "250 OK"


@pytest.fixture(scope="module")
def tls(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mail")
    put(folder, *pair("127.0.0.1"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return folder / "tls.pem", context


@pytest.fixture
def serve():
    running = []

    def start(**options):
        box = Box()
        controller = Controller(box, hostname="127.0.0.1", port=free_port(), **options)
        controller.start()
        running.append(controller)
        return box, controller.port

    yield start
    for controller in running:
        controller.stop()


def post(port, security="none", **more):
    more = {"timeout": timedelta(seconds=30), **more}
    return SmtpPost(Server("127.0.0.1", port, security, "cong@x.vn", "Cổng", **more), lambda: NOW)


async def test_a_letter_arrives_whole(serve):
    box, port = serve()
    assert not (await post(port).send(LETTER)).reason
    ((secure, message),) = box.taken
    assert (secure, message["Subject"], message["Message-ID"]) == (
        False,
        LETTER.subject,
        "<t-1@x.vn>",
    )
    assert message["Auto-Submitted"] == "auto-generated"
    assert message.get_content().replace("\r\n", "\n") == LETTER.body


async def test_starttls_is_demanded_and_the_certificate_verified(serve, tls):
    pem, context = tls
    box, port = serve(tls_context=context, require_starttls=True)
    assert not (await post(port, "starttls", ca_file=str(pem)).send(LETTER)).reason
    assert box.taken[0][0]
    # Its twins: nobody we trust; a server that offers none.
    assert (await post(port, "starttls").send(LETTER)).reason
    plain, port = serve()
    assert (await post(port, "starttls", ca_file=str(pem)).send(LETTER)).reason
    assert plain.taken == []


@pytest.fixture(scope="module")
def misnamed(tmp_path_factory):
    """Return the pair of a server that is called something else."""
    folder = tmp_path_factory.mktemp("misnamed")
    put(folder, *pair("thu.khac.vn", address="127.9.9.9"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(folder / "tls.pem", folder / "tls.key")
    return folder / "tls.pem", context


async def test_tls_from_the_first_byte_with_a_name_and_an_authority_we_know(serve, tls, misnamed):
    pem, context = tls
    box, port = serve(ssl_context=context, server_hostname="127.0.0.1")
    assert not (await post(port, "tls", ca_file=str(pem)).send(LETTER)).reason
    ((_, message),) = box.taken
    assert message["Message-ID"] == "<t-1@x.vn>"
    # An authority nobody named; then a trusted one that vouches for another name.
    unknown = await post(port, "tls").send(LETTER)
    assert (bool(unknown.reason), unknown.final) == (True, False)
    other, context = misnamed
    twin, port = serve(ssl_context=context, server_hostname="127.0.0.1")
    assert (await post(port, "tls", ca_file=str(other)).send(LETTER)).reason
    assert (len(box.taken), twin.taken) == (1, [])


@pytest.mark.parametrize("security", ["tls", "starttls"])
async def test_where_encryption_was_taken_away_neither_letter_nor_password_goes(
    serve, tls, security
):
    """A server, or somebody between, that offers no TLS: it is not done without."""
    pem, _ = tls
    seen, read = [], []

    def check(server, session, envelope, mechanism, data):
        seen.append(data)
        return AuthResult(success=True)

    def password():
        read.append(1)
        return "bí mật"

    box, port = serve(authenticator=check, auth_require_tls=False)
    sender = post(port, security, ca_file=str(pem), user="vanlien", password=password)
    mailed = await sender.send(LETTER)
    assert (bool(mailed.reason), mailed.final) == (True, False)
    assert (box.taken, seen, read) == ([], [], [])


async def test_starttls_with_another_name_is_refused(serve, misnamed):
    other, context = misnamed
    box, port = serve(tls_context=context, require_starttls=True)
    assert (await post(port, "starttls", ca_file=str(other)).send(LETTER)).reason
    assert box.taken == []


async def test_a_password_is_read_each_time_and_a_wrong_one_is_tried_again_later(serve, tls):
    pem, context = tls
    words = ["sai", "đúng"]
    accepted = []

    def check(server, session, envelope, mechanism, data):
        accepted.append(data.password.decode() == "đúng")
        return AuthResult(success=accepted[-1], handled=False)

    box, port = serve(
        tls_context=context, authenticator=check, auth_required=True, require_starttls=True
    )
    sender = post(port, "starttls", ca_file=str(pem), user="vanlien", password=lambda: words.pop(0))
    wrong = await sender.send(LETTER)
    assert (wrong.reason, wrong.final) == ("the server refuses user or password", False)
    assert not (await sender.send(LETTER)).reason
    assert len(box.taken) == 1


@pytest.mark.parametrize(
    ("answer", "final"), [("550 no such user", True), ("452 mailbox full", False)]
)
async def test_what_no_repetition_changes_is_final(serve, answer, final):
    box, port = serve()
    box.answer = answer
    mailed = await post(port).send(LETTER)
    assert mailed.reason
    assert mailed.final is final
    assert "truc@x.vn" not in mailed.reason


async def test_nobody_listening_is_an_outcome():
    mailed = await post(free_port()).send(LETTER)
    assert (bool(mailed.reason), mailed.final) == (True, False)


async def test_a_header_cannot_be_broken_out_of(serve):
    box, port = serve()
    evil = Letter("t-2@x.vn", "truc@x.vn", "a\r\nBcc: evil@x.vn\r\n\r\nbody", "x")
    assert not (await post(port).send(evil)).reason
    message = box.taken[0][1]
    assert message["Bcc"] is None
    assert "Bcc: evil@x.vn" in message["Subject"]
