"""compose.yaml at work: brought up as its first lines say, a document goes through, a node dies.

The services are real processes with the file's environment, commands, secrets, volumes and users
(`tests.world.compose` says what is not the same). Half a minute of processor time: it has a target of
its own, `make compose-test`.
"""

import json
import os
import time
from datetime import date

import pytest

from tests.world import compose


@pytest.fixture
def cluster(tmp_path):
    if "VANLIEN_COMPOSE" not in os.environ:
        pytest.skip("make compose-test")
    if lacking := compose.missing():
        pytest.skip(f"not installed or not allowed: {lacking}")
    made = compose.Compose(tmp_path)
    yield made
    made.close()


def metadata(number):
    return json.dumps({
        "sender": "H37.02", "recipients": ["H37.04"], "code_number": number,
        "code_notation": "SNV-VP", "promulgation_date": date.today().isoformat(),  # noqa: DTZ011
        "type_name": "Công văn", "subject": "V/v kiểm tra cụm máy",
        "signer": {"position": "Giám đốc", "full_name": "Nguyễn Văn An"},
    })  # fmt: skip


def test_the_cluster_comes_up_as_the_file_says_and_carries_a_document(cluster, tmp_path):
    cluster.secrets()
    for words in cluster.first_time()[:-1]:
        cluster.do(words)
    # The last line is a check, and the operator's own next steps.
    assert "vanlien.toml" in cluster.do(cluster.first_time()[-1])
    for code, name in (("H37.02", "Sở Nội vụ"), ("H37.04", "Sở Tài chính")):
        cluster.run("gateway-1", "agency", "add", code, "--name", name)
    speaks = ("--speaks-for", "H37.02", "--speaks-for", "H37.04")
    system = json.loads(cluster.run("gateway-2", "system", "add", "qlvb", *speaks, "--json"))
    headers = ("-H", f"Authorization: Bearer {system['api_key']}")
    letter = tmp_path / "cong-van.txt"
    letter.write_text("Kính gửi: Sở Tài chính tỉnh Lạng Sơn\n")

    def send(node, number):
        parts = (
            "-F",
            f"metadata={metadata(number)};type=application/json",
            "-F",
            f"file=@{letter}",
        )
        return json.loads(cluster.curl(*headers, *parts, f"https://{node}:8480/api/v1/documents"))

    def inbox(node, count):
        until = time.monotonic() + compose.PATIENCE_S
        while True:
            asked = cluster.curl(*headers, f"https://{node}:8480/api/v1/inbox?after=0")
            found = json.loads(asked)["items"]
            if len(found) >= count:
                return found
            assert time.monotonic() < until, cluster.said(node)
            time.sleep(0.1)

    send("gateway-1", "1")
    (arrived,) = inbox("gateway-2", 1)
    packet = cluster.curl(*headers, f"https://gateway-2:8480/api/v1/inbox/{arrived['id']}/edxml")
    assert "V/v kiểm tra cụm máy" in packet
    # One node is gone without a word; the other goes on, and what waited goes with it.
    cluster.kill("gateway-1")
    send("gateway-2", "2")
    assert len(inbox("gateway-2", 2)) == 2
    assert cluster.stop("gateway-2") == 0, cluster.said("gateway-2")
