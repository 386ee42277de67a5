"""Settings of the ledger: a file, or a database of PostgreSQL. Pure values."""

import re
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

from gateway.config.base import Section, field
from gateway.config.kinds import ReadableFile, SecretFile, sqlite_path

_POSTGRESQL: Final = "postgresql://"
_DATABASE: Final = re.compile(r"/[^/?#]+")
_SCHEMA: Final = r"^[a-z_][a-z0-9_]{0,62}$"


def _ledger_url(url: str, info: ValidationInfo) -> str:
    """Check a ledger's address; resolve a file against the data folder."""
    if not url.startswith(_POSTGRESQL):
        return sqlite_path(url, info)
    try:
        parts = urlsplit(url)
        port, password = parts.port, parts.password
    except ValueError:
        raise PydanticCustomError("ledger_url", "not a ledger address") from None
    if password is not None:
        # Addresses stand in logs and in lists of processes: no secret is part of one.
        raise PydanticCustomError("ledger_password", "a password in the address")
    good = (
        parts.username
        and parts.hostname
        and port != 0
        and _DATABASE.fullmatch(parts.path)
        and not parts.query
        and not parts.fragment
        and not re.search(r"\s", url)
    )
    if not good:
        raise PydanticCustomError("ledger_url", "not a ledger address")
    return url


class LedgerSection(Section):
    """Sổ cái: sự thật duy nhất. / The ledger: the only truth."""

    url: Annotated[str, AfterValidator(_ledger_url)] = field(
        "sqlite:///ledger.sqlite",
        "Địa chỉ sổ cái: sqlite:///tệp (đường dẫn tương đối tính từ thư mục dữ liệu), hoặc "
        "postgresql://tài-khoản@máy:cổng/cơ-sở-dữ-liệu.",
        "Address of the ledger: sqlite:///file (a relative path starts at the data folder), or "
        "postgresql://user@host:port/database.",
    )
    password_file: SecretFile | None = field(
        None,
        "Tệp chứa mật khẩu PostgreSQL, đọc lại cho mỗi kết nối.",
        "File with the password of PostgreSQL, read anew for each connection.",
        sample='"keys/ledger.password"',
    )
    ca_file: ReadableFile | None = field(
        None,
        "Chứng thư CA của máy chủ PostgreSQL (PEM). Bắt buộc, trừ khi máy chủ ở trên chính máy "
        "này (loopback).",
        "Certificate of the authority of the PostgreSQL server (PEM). Required, unless the server "
        "is on this very machine (loopback).",
        sample='"keys/ledger-ca.pem"',
    )
    pool: Annotated[int, Field(ge=2, le=100)] = field(
        8,
        "Số kết nối đọc nhiều nhất tới PostgreSQL của một tiến trình.",
        "Connections for reading that one process keeps to PostgreSQL at most.",
    )
    # `schema` is a name of pydantic's own.
    namespace: Annotated[str, Field(pattern=_SCHEMA)] = Field(
        "vanlien",
        alias="schema",
        description="Schema of PostgreSQL that holds the tables.",
        json_schema_extra={"vi": "Lược đồ (schema) PostgreSQL chứa các bảng.", "sample": ""},
    )

    @property
    def path(self) -> Path:
        """The SQLite file."""
        return Path(self.url.removeprefix("sqlite:///"))

    @property
    def is_file(self) -> bool:
        """Whether the ledger is a file of SQLite."""
        return not self.url.startswith(_POSTGRESQL)
