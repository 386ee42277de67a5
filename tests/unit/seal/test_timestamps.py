import hashlib

import pytest
from asn1crypto import tsp

from gateway.demo.pki_service import time_stamper
from gateway.seal.timestamps import SealStamper, StampError
from tests.world.signed_files import NOW, pki

DIGEST = hashlib.sha256(b"bao cao").digest()


def answering(change=None, query_change=None):
    """Return an authority; `change` spoils its answers, `query_change` what it reads."""

    async def ask(query):
        asked = tsp.TimeStampReq.load(query)
        if query_change:
            query_change(asked)
        answer = time_stamper(pki(), NOW).request_tsa_response(asked)
        return change(answer) if change else answer.dump()

    return SealStamper(ask)


async def test_a_token_over_the_digest_and_its_certificates():
    stamper = answering()
    token = await stamper.async_timestamp(DIGEST, "sha256")
    info = token["content"]["encap_content_info"]["content"].parsed
    assert info["message_imprint"]["hashed_message"].native == DIGEST
    (leaf,) = stamper.leaves
    assert "dấu thời gian" in leaf.subject.native["common_name"]
    assert len(stamper.certificates) == 2


def other_digest(asked):
    asked["message_imprint"]["hashed_message"] = hashlib.sha256(b"khac").digest()


def other_nonce(asked):
    asked["nonce"] = 7


def refusing(answer):
    answer["status"]["status"] = "rejection"
    return answer.dump()


def other_signature(answer):
    """Somebody without the key repeats the form."""
    info = answer["time_stamp_token"]["content"]["signer_infos"][0]
    info["signature"] = bytes(len(info["signature"].native))
    return answer.dump()


def other_time(answer):
    """The time is changed after the authority signed."""
    data = answer.dump()
    told = answer["time_stamp_token"]["content"]["encap_content_info"]["content"].parsed
    at = told["gen_time"].contents
    assert data.count(at) == 1
    return data.replace(at, b"2001" + at[4:])


def without_token(answer):
    status = answer["status"].dump()
    return b"\x30" + bytes([len(status)]) + status


@pytest.mark.parametrize(
    "stamper",
    [
        answering(query_change=other_digest),
        answering(query_change=other_nonce),
        answering(refusing),
        answering(without_token),
        answering(other_signature),
        answering(other_time),
        answering(lambda _: b""),
        answering(lambda _: b"<html>"),
        answering(lambda answer: answer.dump() + b"more"),
        answering(lambda answer: answer.dump()[:-40]),
    ],
    ids=[
        "digest",
        "nonce",
        "refusal",
        "no token",
        "signature",
        "time",
        "empty",
        "html",
        "more",
        "cut",
    ],
)
async def test_anything_else_is_no_time_stamp(stamper):
    with pytest.raises(StampError):
        await stamper.async_timestamp(DIGEST, "sha256")


async def test_an_authority_that_is_away_says_why():
    async def ask(_):
        raise OSError("no answer in time")

    with pytest.raises(StampError, match="no answer in time"):
        await SealStamper(ask).async_timestamp(DIGEST, "sha256")
