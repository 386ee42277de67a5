"""What a connection to a Lạng Sơn axis is made of. Pure values."""

from dataclasses import dataclass, field
from datetime import timedelta

from adapters.langson import wire


@dataclass(frozen=True, slots=True)
class LangsonSettings:
    """What a connection needs besides the secret.

    Args:
        name: Name of the peer in our routes and logs.
        endpoint: Base address, without `/v1` or `/api/lgspedoc`.
        system_id: Id given at registration.
        variant: Form of the protocol.
        username: Who signs in; the system id when "".
        application_code: What the sign-in names as application.
        password: Shown when signing in; the secret key when "".
        window: How far back we look for what waits.
        connect_s: Longest wait for a connection.
        silence_s: Longest silence of the peer while data should flow.
        max_answer_bytes: Largest JSON answer, catalogue included; packets apart.
        max_packet_bytes: Largest packet fetched.
        connections: Most connections at once.
    """

    name: str
    endpoint: str
    system_id: str
    variant: wire.Variant = "v1"
    username: str = ""
    application_code: str = ""
    password: str = field(default="", repr=False)
    window: timedelta = timedelta(days=30)
    connect_s: float = 10.0
    silence_s: float = 60.0
    max_answer_bytes: int = 64 * 1024 * 1024
    max_packet_bytes: int = 512 * 1024 * 1024
    connections: int = 10
