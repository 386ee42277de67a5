"""The quick difference analysis and the library's agree on the sample files beside the project.

A sample by default; `VANLIEN_CORPUS=all` (`make corpus`) compares every file.
"""

import io
import logging
import os
import signal
from pathlib import Path

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult

from gateway.trust.differences import Reader, judged

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "corpus"
FILES = sorted(CORPUS.glob("**/*.pdf"))
EVERY = 1 if os.environ.get("VANLIEN_CORPUS") == "all" else 12
LONGEST_S = 60
pytestmark = [
    pytest.mark.corpus,
    pytest.mark.skipif(not FILES, reason="no sample corpus beside the project"),
    pytest.mark.timeout(3600),
]


class _EndlessError(Exception):
    """The library did not come to an end."""


@pytest.fixture
def clock(monkeypatch):
    """End whoever takes too long; only the library alone ever does."""

    def ring(*_):
        raise _EndlessError

    before = signal.signal(signal.SIGALRM, ring)
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _outcomes(open_it, analyse):
    """Return coverage and change of every signature; a fault is a fault, whichever it is."""
    signal.alarm(LONGEST_S)
    try:
        found = [_outcome(emb, analyse) for emb in open_it().embedded_signatures]
    except (_EndlessError, RecursionError):
        return "endless"
    except Exception:  # noqa: BLE001 — whatever the file does to the reader
        return "unreadable"
    finally:
        signal.alarm(0)
    return found


class _Fields(frozenset):
    """Names that are equal where one side has no more than the other.

    The library also names fields that the update did not write.
    """

    def __eq__(self, other):
        return self <= other or other <= self

    __hash__ = frozenset.__hash__


def _outcome(emb, analyse):
    try:
        analyse(emb)
    except (_EndlessError, RecursionError):
        raise
    except Exception:  # noqa: BLE001 — then its changes are not analysed
        return "not analysed"
    result = emb.diff_result
    if isinstance(result, DiffResult):
        return emb.coverage, result.modification_level, _Fields(result.changed_form_fields)
    return emb.coverage, "suspicious"


@pytest.mark.parametrize("strict", [True, False])
def test_short_and_long_way_agree_on_sample_files(clock, strict):
    differ, seen = [], []
    for path in FILES[::EVERY]:
        data = path.read_bytes()
        quick = _outcomes(lambda d=data: Reader(d, strict=strict), judged)
        full = _outcomes(
            lambda d=data: PdfFileReader(io.BytesIO(d), strict=strict),
            lambda emb: emb.compute_integrity_info(),
        )
        seen += full
        # Where the library comes to no end, the quick one may.
        if full not in ("endless", quick):
            differ.append((path.relative_to(CORPUS).as_posix(), full, quick))
    assert differ == []
    assert len(seen) > 20
