"""`make bench-console` works: tiny; what it measures is not looked at."""

import json

import pytest

from tests import bench_console


@pytest.mark.timeout(900)
def test_clerks_are_answered_and_the_page_is_written(tmp_path, capsys):
    told = ["--documents", "80", "--clerks", "4", "--minutes", "0.01", "--pause", "0.2"]
    bench_console.main([*told, "--engine", "sqlite", "--out", str(tmp_path)])
    page = (tmp_path / "benchmarks-console.md").read_text(encoding="utf-8")
    assert "of 200." in page  # every answer was a page
    assert "| p95 ms |" in page
    assert json.loads(capsys.readouterr().out)["sqlite"]["reindex"]["documents"] == 88
