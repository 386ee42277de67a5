"""`make bench` works: every part, tiny, on one embedded gateway; what it measures is not looked at."""

import json

import pytest

from tests import bench


@pytest.mark.timeout(600)
def test_every_part_of_the_bench_runs_and_writes_its_page(tmp_path, capsys):
    bench.main(["--quick", "--out", str(tmp_path)])
    told = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert set(told["parts"]) == set(bench.PARTS)
    (row,) = told["parts"]["recovery"]["rows"]
    assert row["queued"] >= 50
    (engine,) = told["parts"]["cost"]["engines"]
    assert engine["rows_full"] > engine["rows_empty"]
    page = (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
    assert page.count("\n## ") == len(bench.PARTS)
    # A part alone leaves the others as they were.
    bench._write(tmp_path, {"memory": told["parts"]["memory"] | {"peak_after_mb": 4711}})
    again = json.loads((tmp_path / "benchmarks.json").read_text(encoding="utf-8"))
    assert set(again["parts"]) == set(bench.PARTS)
    assert "4711 MB" in (tmp_path / "benchmarks.md").read_text(encoding="utf-8")
