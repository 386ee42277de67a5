"""Play /openapi.json against a real gateway: what it says must be so, whatever is sent.

`python -m tests.world.openapi_play --examples 100` starts a gateway, puts a document, an arrival and
a webhook into it, and lets Schemathesis call every operation with what its schema allows and with
what it does not. A finding is a 5xx, a status, header, media type or body that the document does not
name, something wrong that was taken, something right that was refused, or a door open without a key.
"""

import argparse
import asyncio
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.world.gatehouse import gatehouse, packet

# More than a schema can say: which reason a code needs, who may be sent to, which cursor was given
# These may refuse what fits their schema; nothing else may.
RULED = (
    "streamEvents",
    "submitDocument",
    "recallDocument",
    "uploadPacket",
    "reportStatus",
    "rewindInbox",
    "addWebhook",
    "rotateWebhook",
    "pauseWebhook",
    "replayWebhook",
    "verifyUpload",
)
_REFUSALS = '["2xx", "3xx", 400, 401, 403, 404, 409, 410, 413, 415, 422, 429, 503]'
_SPEAKS = {"all": ["H37.02", "H37.04"], "other": ["H37.61"]}
_EXTRA = 'page_per_minute = 10000\n[webhooks]\nnetworks = ["127.0.0.0/8"]\n'  # the first belongs to [verify]


def settings(key, ids):
    """Return Schemathesis's settings: the key, real ids, pages where a stream would never end."""
    parts = [f'headers = {{ Authorization = "Bearer {key}" }}']
    for folder, one in ids.items():
        parts.append(
            f'[[operations]]\ninclude-path-regex = "^/api/v1/{folder}/.id"\n'
            f'parameters = {{ "path.id" = "{one}" }}'
        )
    parts.append(
        '[[operations]]\ninclude-path = "/api/v1/events"\nheaders = { Accept = "application/json" }'
    )
    parts += [
        f'[[operations]]\ninclude-operation-id = "{name}"\n'
        f"checks.positive_data_acceptance.expected-statuses = {_REFUSALS}"
        for name in RULED
    ]
    # Where the id is always ours, a wrong one is not played; Schemathesis would think it was. An
    # empty Last-Event-ID is none, as everywhere.
    parts += [
        f'[[operations]]\ninclude-operation-id = "{name}"\n'
        "checks.negative_data_rejection.enabled = false"
        for name in ("getArrivalPacket", "getArrivalAttachment", "streamEvents")
    ]
    return "\n".join(parts)


async def play(folder: Path, *options: str, verbose: bool = False) -> tuple[int, str]:
    """Run it; return Schemathesis's exit code and what it said."""
    async with gatehouse(folder, extra=_EXTRA, speaks=_SPEAKS) as house:
        _, sent, _ = await house.send(packet(), "all")
        # What is taken back while it plays is another one than what is fetched.
        await house.send(packet("13"), "all")
        arrival = (await house.inbox("all", 2))[1]
        _, hook, _ = await house.call(
            "POST", "/webhooks", "all", json={"url": "https://127.0.0.1/su-kien"}
        )
        ids = {"documents": sent["id"], "inbox": arrival["id"], "webhooks": hook["id"]}
        config = folder / "schemathesis.toml"
        config.write_text(settings(house.systems["all"].key, ids), encoding="utf-8")
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "schemathesis.cli",
            "--no-color",
            f"--config-file={config}",
            "run",
            f"{house.url}/openapi.json",
            "--generation-database=none",
            "--request-timeout=60",
            "--warnings=off",
            *options,
            cwd=folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=None if verbose else asyncio.subprocess.PIPE,
            stderr=None if verbose else asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return process.returncode or 0, (said or b"").decode()


def main() -> int:
    """Play for as long as is asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--examples", type=int, default=100, help="of each operation")
    parser.add_argument("--seed", type=int, help="play the same again")
    asked = parser.parse_args()
    seed = () if asked.seed is None else (f"--seed={asked.seed}",)
    with TemporaryDirectory() as folder:
        code, _ = asyncio.run(
            play(Path(folder), f"--max-examples={asked.examples}", *seed, verbose=True)
        )
    return code


if __name__ == "__main__":
    sys.exit(main())
