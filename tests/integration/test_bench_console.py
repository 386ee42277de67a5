"""`make bench-console` works: tiny; what it measures is not looked at."""

import pytest

from tests import bench_console


@pytest.mark.timeout(300)
def test_clerks_are_answered_and_the_page_is_written(tmp_path, capsys):
    out = tmp_path / "page.md"
    told = ["--documents", "40", "--clerks", "4", "--minutes", "0.01", "--pause", "0.2", "--out"]
    bench_console.main([*told, str(out)])
    page = out.read_text(encoding="utf-8")
    assert "of 200." in page  # every answer was a page
    assert "| p95 ms |" in page
