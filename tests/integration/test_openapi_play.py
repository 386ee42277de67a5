"""The OpenAPI document is played against a real gateway: each operation, right and wrong calls.

The longer play, with values made up at random: `make openapi-play`.
"""

from importlib.util import find_spec

import pytest

from tests.world.openapi_play import play

# Looked for and not imported: its import takes a second, and it runs in a process of its own.
pytestmark = pytest.mark.skipif(
    find_spec("schemathesis") is None, reason="schemathesis is not installed: make dev"
)


# Reports cost seconds of typesetting, metadata has hundreds of cases; the longer play has them all.
COSTLY = "--exclude-operation-id-regex=^verify|Verification|Signed|Receipts$|^submitDocument$"


@pytest.mark.timeout(600)
async def test_nothing_answers_what_the_document_does_not_say(tmp_path):
    code, said = await play(tmp_path, "--phases=coverage", "--seed=1", COSTLY)
    assert code == 0, said
    assert "Tested: " in said
