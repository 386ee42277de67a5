"""The pages say what is there: links, commands, names, tables, examples, all checked against code."""

import csv
import functools
import json
import re
import shlex
import sqlite3
import tomllib
import unicodedata
from pathlib import Path

import pytest
from typer.main import get_command

from adapters.vxp import facade
from gateway import faults, measures, observe
from gateway.__main__ import application
from gateway.config.partners import Peer
from gateway.errors import CATALOGUE, Reason
from gateway.store import setup
from gateway.store.schema import TABLES
from gateway.web.body import Limits
from gateway.web.documents import Documents
from gateway.web.events import EventRoutes
from gateway.web.inbox import InboxRoutes
from gateway.web.ops import Ops
from gateway.web.problems import WEB_CATALOGUE, WebReason
from gateway.web.recalling import RecallRoutes
from gateway.web.replays import ReplayRoutes
from gateway.web.uploads import UploadRoutes
from gateway.web.verifications import Verifications
from gateway.web.webhooks import WebhookRoutes

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    p.relative_to(ROOT).as_posix()
    for p in (
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("certs/*.md"),
        *ROOT.glob("schemas/*.md"),
    )
)
# Pages drawn from code by `make docs`, or owned by a module's own tests.
HANDWRITTEN = [p for p in PAGES if p not in {"docs/configuration.md", "docs/states.md"}]

_FENCE = re.compile(r"^([ ]*)```(\w*)\n(.*?)^\1```", re.DOTALL | re.MULTILINE)


@functools.cache
def text(page):
    return (ROOT / page).read_text(encoding="utf-8")


@functools.cache
def prose(page):
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", text(page))


def blocks(page, language):
    return [
        re.sub(f"^{indent}", "", body, flags=re.MULTILINE)
        for indent, kind, body in _FENCE.findall(text(page))
        if kind == language
    ]


def inline(page):
    return re.findall(r"(?<!`)`([^`\n]+)`(?!`)", prose(page))


@functools.cache
def source():
    """Return all code of the program as one text."""
    parts = [
        p.read_text(encoding="utf-8")
        for folder in ("gateway", "adapters", "schemas")
        for p in sorted((ROOT / folder).rglob("*.py"))
    ]
    return "\n".join(parts)


# ---------------------------------------------------------------- links


def slug(heading):
    """Return the anchor that forges make of a heading."""
    plain = re.sub(r"`|\*|\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    kept = (c for c in plain if c in "-_ " or unicodedata.category(c)[0] in "LNM")
    return "".join(kept).replace(" ", "-")


def anchors(page):
    return {slug(h) for h in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def links(page):
    return re.findall(r"\[[^]]*\]\(([^)\s]+)\)", prose(page))


@pytest.mark.parametrize("page", PAGES)
def test_relative_links_lead_somewhere(page):
    lost = []
    for link in links(page):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        if not target.exists():
            lost.append(link)
        elif anchor and target.suffix == ".md":
            inside = target.relative_to(ROOT).as_posix()
            lost += [link] if anchor not in anchors(inside) else []
    assert not lost


def test_a_lost_link_would_be_seen():
    assert slug("The VXP façade") == "the-vxp-façade"
    assert slug("`[[peer]]` and **bold**") == "peer-and-bold"
    assert "no-such-heading" not in anchors("README.md")


def test_every_page_is_reached_from_the_readme():
    seen, todo = set(), ["README.md"]
    while todo:
        page = todo.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in links(page):
            target = ((ROOT / page).parent / link.partition("#")[0]).resolve()
            if target.is_dir() and (target / "README.md").exists():
                target /= "README.md"
            if target.suffix == ".md" and target.exists():
                todo.append(target.relative_to(ROOT).as_posix())
    unreached = set(PAGES) - seen
    assert unreached <= {"docs/benchmarks.md"}


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_pictures_are_text_but_for_those_the_tests_make(page):
    shown = re.sub(r"!\[[^\]]{10,}\]\((?:docs/)?screenshots/[a-z0-9-]+\.png\)", "", text(page))
    assert not re.search(r"!\[|<img|<svg", shown)
    allowed = {"", "sh", "json", "toml", "mermaid", "xml", "python", "text"}
    allowed |= {"bash", "java", "csharp"}
    assert {kind for _, kind, _ in _FENCE.findall(text(page))} <= allowed


def rows(page):
    """Return the tables of a page: line numbers and cells."""
    found = []
    for number, line in enumerate(prose(page).splitlines(), 1):
        if line.startswith("|"):
            cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
            found.append((number, cells))
    return found


@pytest.mark.parametrize("page", PAGES)
def test_tables_have_the_same_number_of_cells_in_every_row(page):
    widths, last = {}, -1
    start = 0
    for number, cells in rows(page):
        start = start if number == last + 1 else number
        last = number
        widths.setdefault(start, set()).add(len(cells))
    assert all(len(found) == 1 for found in widths.values()), widths


# ---------------------------------------------------------------- commands

COMMAND = get_command(application())


def commands_of(script):
    """Return the `vanlien …` command lines of a script as lists of words."""
    joined = re.sub(r"\\\n\s*", " ", script)
    found = []
    for line in joined.splitlines():
        plain = re.sub(r"\$\([^()]*\)", "X", line.strip().removeprefix("$ "))
        if not plain.startswith("vanlien "):
            continue
        words = shlex.split(plain.replace("…", "X"), comments=True)
        for stop in (">", ">>", "|", "&", "&&", ";"):
            if stop in words:
                words = words[: words.index(stop)]
        found.append(words[1:])
    return found


def parse(words, *, whole):
    """Run words through the real parser without doing anything; a fault is an exception."""
    command, rest = COMMAND, list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if getattr(command, "commands", None) and rest and not rest[0].startswith("-"):
        raise LookupError(f"no such command: {' '.join(words)}")
    context = command.context_class(command, info_name="vanlien")
    options, arguments, _ = command.make_parser(context).parse_args(rest)
    if arguments:
        raise LookupError(f"too many words: {' '.join(words)}")
    if whole:
        if getattr(command, "commands", None) and not command.invoke_without_command:
            raise LookupError(f"a command is missing: {' '.join(words)}")
        lacking = [p.name for p in command.params if p.required and options.get(p.name) is None]
        if lacking:
            raise LookupError(f"missing {lacking}: {' '.join(words)}")
    return command


def shown_commands():
    for page in PAGES:
        # A block without a language is a picture or a formula, but in receipts.md it holds commands.
        for script in (*blocks(page, "sh"), *blocks(page, "")):
            for words in commands_of(script):
                yield pytest.param(words, True, id=f"{page}: {' '.join(words)[:70]}")
        for mention in inline(page):
            # `vanlien system add|list` and `vanlien counter set … --reason` are names, not lines.
            for words in commands_of(re.sub(r"\|\w+", "", mention)):
                named = [w for w in words if w != "X"]
                yield pytest.param(named, False, id=f"{page}: `{mention[:70]}`")


@pytest.mark.parametrize(("words", "whole"), list(shown_commands()))
def test_every_command_shown_exists_with_its_options(words, whole):
    parse(words, whole=whole)


@pytest.mark.parametrize(
    "line",
    [
        "vanlien no-such-command",
        "vanlien system add qlvb",
        "vanlien system add qlvb --speaks-for H37.02 --no-such-option",
        "vanlien counter set H37.02 2026 --reason x",
        "vanlien health now",
        "vanlien system",
    ],
)
def test_a_wrong_command_would_be_seen(line):
    (words,) = commands_of(line)
    with pytest.raises(Exception, match=r".+"):
        parse(words, whole=True)


def test_what_the_shell_does_is_left_out():
    script = "vanlien system add a \\\n  --json > a.json  # why\necho vanlien\n$ vanlien health"
    assert commands_of(script) == [["system", "add", "a", "--json"], ["health"]]


def test_every_command_is_named_in_the_pages():
    named = " ".join(text(p) for p in HANDWRITTEN)
    missing = []
    for name, command in COMMAND.commands.items():
        subs = getattr(command, "commands", None) or {"": None}
        missing += [f"{name} {sub}".strip() for sub in subs if f"vanlien {name}" not in named]
    assert not missing


def test_make_targets_exist():
    targets = set(re.findall(r"^([a-z-]+):", text_of("Makefile"), re.MULTILINE))
    used = {m for p in HANDWRITTEN for m in re.findall(r"\bmake ([a-z-]+)\b", code_of(p))}
    assert {"run", "test"} <= used <= targets


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(page):
    """Return what of a page is set as code."""
    return "\n".join([*inline(page), *blocks(page, "sh")])


# ---------------------------------------------------------------- names


def test_fault_points_named_exist_and_each_is_explained():
    areas = "|".join(sorted({point.partition(".")[0] for point in faults.POINTS}))
    reached = set(re.findall(r'faults\.reach\("([^"]+)"\)', source()))
    known = reached | set(faults.POINTS)
    for page in HANDWRITTEN:
        named = {n for n in inline(page) if re.fullmatch(rf"(?:{areas})\.[a-z]+-[a-z-]+", n)}
        assert named <= known, page
    table = {cells[0].strip().strip("`") for _, cells in rows("docs/architecture.md")}
    assert known <= table


@functools.cache
def metric_names():
    rendered = measures.render({}).decode()
    exposed = set(re.findall(r"^(vanlien_\w+)", rendered, re.MULTILINE))
    declared = set(re.findall(r"^# TYPE (vanlien_\w+)", rendered, re.MULTILINE))
    desk = (ROOT / "gateway/programs/desk.py").read_text(encoding="utf-8")
    gauges = re.findall(r'gauges\["(\w+)"\]|f\'(\w+)\{\{', desk)
    return exposed | declared | {f"vanlien_{a or b}" for a, b in gauges}


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_metrics_named_exist(page):
    named = {
        name
        for mention in inline(page)
        for name in re.findall(r"^(vanlien_[a-z_]+)", mention)
        if not name.endswith(("_bucket", "_sum", "_count"))
    }
    assert named <= metric_names()


@functools.cache
def events():
    """Return the facts that somebody reports, and those nobody does (yet)."""
    skip = {"configure", "silence", "bind_request"}
    made = {
        name
        for name, value in vars(observe).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", "") == observe.__name__
    } - skip
    used = set(re.findall(r"observe\.(\w+)\(", source()))
    return made & used, made - used


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_log_events_named_are_written_by_somebody(page):
    _, silent = events()
    assert not {name for name in inline(page) if name in silent}


def test_the_main_events_are_in_the_operators_page():
    spoken, _ = events()
    named = set(inline("docs/operations.md"))
    for event in (
        "document_refused",
        "delivery_deferred",
        "delivery_failed",
        "collect_failed",
        "arrival_refused",
        "quarantined",
        "clock_warning",
        "plain_listener_warning",
        "alarm",
    ):
        assert event in spoken
        assert event in named


def test_every_alarm_is_explained():
    raised = set(re.findall(r"alarm\(\s*what=f?\"([a-z -]+)", source()))
    raised |= set(re.findall(r"[ =]_?Trouble\(\"([a-z -]+)\"(?:\)|, \"[a-z_]+\"\))", source()))
    assert {"tls certificate", "receipt key token", "report seal"} <= raised
    programs = {"relay", "issue", "receiver", "collector", "janitor", "dispatch", "recheck"}
    programs |= {"clock watch"}
    cells = " ".join(row[0] for _, row in rows("docs/operations.md"))
    told = {name.removesuffix(": …") for name in re.findall(r"`([^`]+)`", cells)}
    assert {name.rstrip(": ") for name in raised - programs} <= told


def test_every_standing_warning_is_explained():
    raised = set(re.findall(r"standing_warning\(\s*what=f?\"([a-z_]+)", source()))
    raised |= set(re.findall(r"measures\.standing, f?\"([a-z_]+)", source()))
    raised |= set(re.findall(r"_?Trouble\([^()]*\"([a-z_]+_[a-z]+)\"\)", source()))
    raised |= set(re.findall(r"(?m)^WHAT: Final = \"([a-z_]+)\"", source()))
    assert {"broker", "breaker", "overload", "report_seal", "disk_full_soon"} <= raised
    told = set(re.findall(r"[a-z_]+", " ".join(inline("docs/operations.md"))))
    told |= set(re.findall(r"\bclock_[a-z]+", prose("docs/operations.md")))
    assert {name for name in raised if name.rstrip("_") not in told} <= {"clock_"}


@functools.cache
def words_of_the_code():
    return set(re.findall(r"\w+", source() + text_of("pyproject.toml")))


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_names_in_code_type_stand_in_the_code(page):
    named = {n for n in inline(page) if re.fullmatch(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)+", n)}
    assert named - words_of_the_code() - metric_names() == set()


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_files_and_modules_named_exist(page):
    pattern = re.compile(r"(?:gateway|adapters|schemas|tests|docs|certs)/[\w./-]+")
    named = {m for mention in inline(page) for m in pattern.findall(mention)}
    lost = {n for n in named if not (ROOT / n.rstrip("/.")).exists()}
    assert lost == set()


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_tests_named_exist(page):
    pattern = re.compile(r"(tests/[\w/]+\.py)::(test_\w+)")
    named = {m for mention in inline(page) for m in pattern.findall(mention)}
    lost = {(file, name) for file, name in named if f"def {name}(" not in text(file)}
    assert lost == set()


def test_the_page_about_others_names_tests():
    assert len(re.findall(r"::test_", text("docs/peers.md"))) > 40


def test_every_known_fault_has_its_test():
    named = re.findall(r"^\| (\d+) \|.*?::test_fault_(\d+)_", text("docs/faults.md"), re.MULTILINE)
    assert [(int(n), int(test)) for n, test in named] == [(n, n) for n in range(1, 28)]


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_settings_named_exist(page):
    known = set(re.findall(r"^## `(\[+[\w.]+\]+)`$", text("docs/configuration.md"), re.MULTILINE))
    known |= {"[retry]"}
    named = {n for n in inline(page) if re.fullmatch(r"\[+[a-z_.]+\]+", n)}
    assert named <= known


@pytest.mark.parametrize("page", PAGES)
def test_rule_ids_exist(page):
    with (ROOT / "docs/rules.csv").open(encoding="utf-8", newline="") as file:
        known = {row["id"] for row in csv.DictReader(file)}
    prefixes = "|".join(sorted({k.partition("-")[0] for k in known}))
    named = set(re.findall(rf"\b(?:{prefixes})-\d+[a-z]?\b", text(page)))
    assert named <= known


# ---------------------------------------------------------------- tables and examples


def test_every_table_of_the_ledger_is_described():
    cells = " ".join(row[0] for _, row in rows("docs/architecture.md"))
    described = set(re.findall(r"`(\w+)`", cells))
    assert set(TABLES) <= described


def routes():
    parts = (
        Documents(None, None, Limits()).endpoints(),
        EventRoutes(None, None, Limits(), None).endpoints(),
        RecallRoutes(None, Limits()).endpoints(),
        ReplayRoutes(None, Limits()).endpoints(),
        WebhookRoutes(None, Limits()).endpoints(),
        InboxRoutes(None, None, Limits()).endpoints(),
        Ops(None, None).endpoints(),
        UploadRoutes(None, Limits()).endpoints(),
        Verifications(None, None, Limits()).endpoints(),
    )
    return {(e.method, e.path) for part in parts for e in part}


@pytest.mark.parametrize("page", HANDWRITTEN)
def test_addresses_named_exist(page):
    known = routes()
    for mention in inline(page):
        found = re.match(r"(GET|POST) (/[\w{}./-]+)", mention)
        if found is None:
            continue
        method, path = found[1], found[2].rstrip("/")
        assert {(method, path), (method, f"/api/v1{path}")} & known, mention


def test_the_table_of_errors_is_the_catalogue():
    known = {r.value: CATALOGUE[r].http for r in Reason}
    known |= {r.value: WEB_CATALOGUE[r][0] for r in WebReason}
    told = {}
    for _, cells in rows("docs/integrate.md"):
        if re.fullmatch(r"\s*[45]\d\d\s*", cells[0]):
            for reason in re.findall(r"`([a-z-]+)`", cells[1]):
                told[reason] = int(cells[0])
    assert len(told) > 15
    assert {reason: known.get(reason) for reason in told} == told


def test_the_operations_of_the_facade_are_all_told():
    served = {
        route.path.rpartition("/")[2]
        for route in facade.routes(None, None, None, max_bytes=1)
        if "{" not in route.path
    }
    told = {
        name for _, cells in rows("docs/integrate.md") for name in re.findall(r"`(\w+)`", cells[0])
    }
    assert served <= told


def json_blocks():
    for page in HANDWRITTEN:
        for number, block in enumerate(blocks(page, "json"), 1):
            yield pytest.param(block, id=f"{page} {number}")


@pytest.mark.parametrize("block", list(json_blocks()))
def test_json_examples_are_json(block):
    assert json.loads(block)


def test_the_metadata_example_is_accepted_as_it_stands():
    from gateway.web.metadata import Metadata, read_json

    examples = [b for b in blocks("docs/integrate.md", "json") if '"code_notation"' in b]
    (example,) = examples
    header = read_json(Metadata, example.encode(), "metadata").to_header()
    assert header.sender.organ_id == "H37.02"


def test_the_peer_example_has_keys_that_exist_and_all_that_are_required():
    (example,) = blocks("docs/integrate.md", "toml")
    (peer,) = tomllib.loads(example)["peer"]
    fields = Peer.model_fields
    required = {name for name, field in fields.items() if field.is_required()}
    assert required <= set(peer) <= set(fields)


def queries():
    pattern = re.compile(r'^sqlite3 -readonly data/ledger\.sqlite "(.+)"$', re.MULTILINE)
    for page in HANDWRITTEN:
        for script in blocks(page, "sh"):
            for query in pattern.findall(script):
                yield pytest.param(query, id=query[:60])


@pytest.mark.parametrize("query", list(queries()))
def test_queries_shown_run_on_a_ledger(query, tmp_path):
    setup.create(tmp_path / "ledger.sqlite")
    with sqlite3.connect(tmp_path / "ledger.sqlite") as ledger:
        ledger.execute(query).fetchall()
    ledger.close()


def test_decisions_are_numbered_without_gaps_and_listed():
    folder = ROOT / "docs/decisions"
    files = sorted(p.name for p in folder.glob("[0-9]*.md"))
    assert [int(f[:4]) for f in files] == list(range(1, len(files) + 1))
    listed = re.findall(r"\]\((\d{4}-[\w-]+\.md)\)", text("docs/decisions/README.md"))
    assert listed == files
    for name in files:
        body = text(f"docs/decisions/{name}")
        assert re.match(rf"# {name[:4]}: .+\n", body)
        for part in ("**Context.**", "**Choice.**", "**Price.**"):
            assert part in body, (name, part)


def test_exit_codes_of_verify_are_those_of_the_program():
    from gateway.cli.verify import EXITS

    told = {
        cells[0].strip().strip("`"): int(cells[2])
        for _, cells in rows("docs/verification.md")
        if len(cells) == 5 and cells[2].strip().isdigit()
    }
    assert told == EXITS


def test_the_changelog_opens_with_what_is_not_released():
    headings = re.findall(r"^## (.+)$", text("CHANGELOG.md"), re.MULTILINE)
    assert headings[0].startswith("[Unreleased]")
