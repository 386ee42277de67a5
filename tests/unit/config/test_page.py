"""The reference page and the sample say what the loader does."""

import re
import tomllib
from pathlib import Path

from gateway.config import Settings, reference, sample

ROOT = Path(__file__).resolve().parents[3]


def test_the_reference_page_is_current():
    written = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert written == reference(), "run: make docs"


def test_every_key_is_on_the_page_and_in_the_sample():
    page, text = reference(), sample()
    names = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert len(names) > 60
    for name in names:
        assert re.search(rf"^(# )?{name} = ", text, re.MULTILINE), name


def test_the_sample_sets_only_what_is_required():
    assert tomllib.loads(sample())["gateway"] == {"code": "00.37.W00"}
    assert {key for key, value in tomllib.loads(sample()).items() if value} == {"gateway"}


def test_values_are_set_where_they_belong():
    text = sample({"gateway.code": '"H37"', "http.port": "9000"})
    assert tomllib.loads(text)["gateway"] == {"code": "H37"}
    assert tomllib.loads(text)["http"] == {"port": 9000}


def test_shown_defaults_are_the_defaults():
    # Settings with every commented default written out equal settings with none written.
    text = sample()
    lines = []
    for line in text.splitlines():
        bare = line.removeprefix("# ")
        if bare.startswith(("[[", "[http.plain", "[peer", "[agency")):
            break  # tables after here are examples
        lines.append(bare if re.match(r"\w+ = |\[", bare) else line)
    given = tomllib.loads("\n".join(lines))
    examples = {"public_url", "tls_cert", "tls_key"}
    given["http"] = {k: v for k, v in given["http"].items() if k not in examples}
    assert Settings.model_validate(given) == Settings.model_validate(
        {"gateway": {"code": "00.37.W00"}}
    )
