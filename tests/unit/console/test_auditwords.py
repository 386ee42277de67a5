"""Every act that the programs write to the audit log has words there."""

import ast
import re
from pathlib import Path

from gateway.console import auditwords as words

GATEWAY = Path(words.__file__).parents[1]
WRITERS = {"audited", "_audit", "audit", "_do", "told", "_told", "_record"}
_ACT = re.compile(r"[a-z]+(-[a-z]+)+")


def acts():
    """Return literals with a dash that are handed to what writes audit entries."""
    for path in sorted(GATEWAY.rglob("*.py")):
        for call in ast.walk(ast.parse(path.read_text())):
            if not isinstance(call, ast.Call):
                continue
            name = getattr(call.func, "attr", getattr(call.func, "id", ""))
            handed = [k.value for k in call.keywords if k.arg == "action"]
            handed += call.args if name in WRITERS else []
            texts = [getattr(one, "value", None) for one in handed]
            yield from (t for t in texts if isinstance(t, str) and _ACT.fullmatch(t))


def test_every_act_has_words():
    found = set(acts())
    assert len(found) > 60
    assert found <= set(words.ACTIONS)


def test_what_has_no_words_is_shown_as_it_stands():
    assert words.action_text("of-tomorrow", "vi") == "of-tomorrow"
    assert words.target_text("thing:7", "vi") == "thing:7"
    assert words.target_text("account:7", "vi") == "Tài khoản 7"
    assert words.target_text("page", "en") == "Page"
    facts = {"code": "R03", "parties": ["H37", "H37.02"], "other": 1, "reason_sha256": "ab"}
    assert words.facts_text(facts, "vi") == "mã: R03 · các bên: H37, H37.02 · other: 1"
