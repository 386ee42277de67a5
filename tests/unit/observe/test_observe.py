"""Facts: what a line looks like, what never stands in it, what it costs."""

import inspect
import io
import json
import logging
import time

import pytest

from gateway import measures, observe

CLERK = "Nguyễn Thị Bí Mật"


@pytest.fixture(name="lines")
def _lines():
    stream = io.StringIO()
    observe.configure(json=True, level="debug", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    observe.silence()


def accept(**changes):
    facts = {
        "consignment_id": "c1",
        "system_id": "s1",
        "via": "api",
        "size_bytes": 4096,
        "deliveries": 2,
        "verdict": "valid",
        "wait_s": 0.0125,
    }
    observe.document_accepted(**(facts | changes))


def count(name, **labels):
    return measures.REGISTRY.get_sample_value(f"vanlien_{name}", labels) or 0


def test_a_fact_is_one_json_line_with_a_vietnamese_time(lines):
    accept()
    (line,) = lines()
    at = line.pop("at")
    assert at.endswith("+07:00")
    assert line == {
        "level": "info",
        "event": "document_accepted",
        "consignment_id": "c1",
        "system_id": "s1",
        "via": "api",
        "size_bytes": 4096,
        "deliveries": 2,
        "verdict": "valid",
        "wait_s": 0.0125,
    }


def test_silence_before_configuring_but_metrics_count(capsys):
    before = count("documents_accepted_total", via="api")
    accept()
    assert count("documents_accepted_total", via="api") == before + 1
    assert capsys.readouterr() == ("", "")


def test_lines_below_the_level_are_dropped():
    stream = io.StringIO()
    observe.configure(json=True, level="warning", stream=stream)
    accept()
    observe.collect_failed(peer="axis", reason="timeout")
    observe.silence()
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == [
        "collect_failed"
    ]


def test_a_failure_is_told_by_class_and_place_never_by_message(lines):
    try:
        int(CLERK)
    except ValueError as failure:
        observe.alarm(what="relay", subject="t1", failure=failure)
        observe.request_crashed(method="GET", route="/x", failure=failure)
        observe.program_failed(program="relay", failure=failure, retry_in_s=1.0)
        logging.getLogger("some.library").exception("went wrong for %s", CLERK)
    for line in lines():
        assert line["error"] == "ValueError"
        assert line["stack"][-1].endswith(
            "test_a_failure_is_told_by_class_and_place_never_by_message"
        )
    assert CLERK not in json.dumps(lines(), ensure_ascii=False)


def test_what_fails_twice_a_second_is_told_once_a_minute(lines, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    for _ in range(240):
        now[0] += 0.5
        for program in ("nodes", "herald"):
            observe.program_failed(program=program, failure=OSError(), retry_in_s=0.5)
    observe.program_failed(program="nodes", failure=ValueError(), retry_in_s=0.5)
    told = [(line["program"], line["error"], line["times"]) for line in lines()]
    assert told == [
        ("nodes", "OSError", 1),
        ("herald", "OSError", 1),
        ("nodes", "OSError", 120),
        ("herald", "OSError", 120),
        ("nodes", "ValueError", 1),
    ]


def test_libraries_are_heard_without_their_values(lines):
    log = logging.getLogger("some.library")
    log.warning("cannot read %s", CLERK)
    log.warning(f"cannot read {CLERK}")  # noqa: G004  as careless libraries do
    log.info("chatter %s", CLERK)
    first, second = lines()
    assert first["template"] == "cannot read %s"
    assert first["logger"] == "some.library"
    assert "template" not in second
    assert CLERK not in json.dumps(lines(), ensure_ascii=False)


def test_a_peers_long_reason_is_cut(lines):
    observe.delivery_failed(transfer_id="t", peer="axis", attempt=1, reason="x" * 10_000)
    assert len(lines()[0]["reason"]) == 201


def test_the_request_id_is_on_every_fact_of_its_task(lines):
    observe.bind_request("r1")
    accept()
    observe.bind_request("")
    accept()
    assert [line.get("request_id") for line in lines()] == ["r1", None]


def test_rules_are_named_once_each(lines):
    observe.document_refused(
        system_id="s", via="api", reason="rules-broken", rules=["MD-01", "FMT-01", "MD-01"]
    )
    assert lines()[0]["rules"] == ["FMT-01", "MD-01"]


def test_the_human_form_shows_a_failure_with_its_place():
    stream = io.StringIO()
    observe.configure(json=False, stream=stream)
    try:
        int(CLERK)
    except ValueError as exc:
        observe.alarm(what="relay", subject="t1", failure=exc)
    finally:
        observe.silence()
    assert "ValueError" in stream.getvalue()
    assert "test_observe.py" in stream.getvalue()
    assert CLERK not in stream.getvalue()


class Broken(io.StringIO):
    """A full disk, then a closed pipe."""

    def write(self, text):
        raise OSError(28, "No space left on device")

    def flush(self):
        raise ValueError("I/O operation on closed file")


def test_a_stream_that_takes_nothing_is_in_nobodys_way():
    observe.configure(json=True, stream=Broken())
    accept()
    observe.silence()


def test_the_human_form_is_for_people():
    stream = io.StringIO()
    observe.configure(json=False, stream=stream)
    accept()
    observe.silence()
    assert "document_accepted" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_silencing_leaves_no_handler_behind():
    before = list(logging.getLogger().handlers)
    observe.configure(json=True, stream=io.StringIO())
    observe.configure(json=True, stream=io.StringIO())
    assert len(logging.getLogger().handlers) == len(before) + 1
    observe.silence()
    assert logging.getLogger().handlers == before


PLAIN = {
    "str": "x",
    "int": 1,
    "float": 0.5,
    "bool": True,
    "str | None": None,
    "int | None": 1,
    "float | None": 0.5,
    "BaseException | None": ValueError(CLERK),
    "BaseException": ValueError(CLERK),
    "collections.abc.Iterable[str]": ("MD-01",),
}
TOLD = [
    function
    for name, function in vars(observe).items()
    if inspect.isfunction(function)
    and function.__module__ == observe.__name__
    and not name.startswith("_")
    and name not in {"configure", "silence", "bind_request", "request_began"}
]
# A fact that is only measured says so where it is described.
MEASURED = [function for function in TOLD if "no line" in (function.__doc__ or "")]
FACTS = [function for function in TOLD if function not in MEASURED]


def test_the_age_of_a_list_is_a_measure_and_no_line(lines):
    observe.list_age(issuer="CA thử", age_s=7.0, expires_in_s=-2.0)
    assert lines() == []
    told = {
        family.name: sample.value
        for family in (*measures.crl_age.collect(), *measures.crl_expires_in.collect())
        for sample in family.samples
        if sample.labels == {"issuer": "CA thử"}
    }
    assert told == {"vanlien_crl_age_seconds": 7.0, "vanlien_crl_expires_in_seconds": -2.0}


@pytest.mark.parametrize("fact", MEASURED, ids=lambda fact: fact.__name__)
def test_what_is_only_measured_writes_no_line(fact, lines):
    parameters = inspect.signature(fact).parameters.values()
    fact(**{p.name: PLAIN[inspect.formatannotation(p.annotation)] for p in parameters})
    assert lines() == []
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_every_fact_is_one_line_of_its_arguments(fact, lines):
    parameters = inspect.signature(fact).parameters.values()
    given = {p.name: PLAIN[inspect.formatannotation(p.annotation)] for p in parameters}
    fact(**given)
    (line,) = lines()
    told = {name for name, value in given.items() if value is not None and name != "failure"}
    assert told <= set(line)
    assert CLERK not in json.dumps(line, ensure_ascii=False)
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)


def test_gauges_are_rendered_beside_the_counters():
    text = measures.render(
        {'queue{lane="express"}': 3, 'queue{lane="normal"}': 4.5, "vanlien_dead": 1, "bad name": 9}
    ).decode()
    assert "# TYPE vanlien_queue gauge\n" in text
    assert 'vanlien_queue{lane="express"} 3.0\n' in text
    assert 'vanlien_queue{lane="normal"} 4.5\n' in text
    assert "vanlien_dead 1.0\n" in text
    assert "bad name" not in text
    assert text.endswith("\n")


def test_no_gauges_are_fine():
    assert measures.render({}).endswith(b"\n")


def test_a_fact_is_cheap():
    """A regression guard for the hot path; the real figures are in the module's docstring."""
    observe.configure(json=True, stream=io.StringIO())
    began = time.process_time()
    for _ in range(2000):
        accept()
    each_s = (time.process_time() - began) / 2000
    observe.silence()
    assert each_s < 0.000_3
