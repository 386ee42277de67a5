"""What we copied from the library, or built against its inside, is what is installed.

When one of these fails after an upgrade: read what changed there, carry it over, run
`make corpus` and tests/property/test_differences.py, and only then put the new digest here.
"""

import hashlib
import inspect

import pytest
from pyhanko.pdf_utils import xref
from pyhanko.pdf_utils.reader import HistoricalResolver, PdfFileReader
from pyhanko.sign.diff_analysis.policies import StandardDiffPolicy
from pyhanko.sign.validation import generic_cms
from pyhanko_certvalidator import find_valid_path

from gateway.trust.remembering import remember

COPIES = {
    PdfFileReader.__init__: "fd25ff0d81432421",
    PdfFileReader._read_object: "34ac7cc617c5168a",
    PdfFileReader._get_object_from_stream: "985c7933a27ed6c9",
    HistoricalResolver.get_object: "4d2b19e88804777e",
    HistoricalResolver._subsume_object: "94755d9c35afd3c9",
    HistoricalResolver._load_reverse_xref_cache: "7a0a27ccb00c0cc0",
    HistoricalResolver._collect_indirect_references: "ef0bc9ade5e4700d",
    StandardDiffPolicy.apply: "8151331fb16fc7e4",
    xref.XRefBuilder._read_xref_table: "f21f92d00f6f180e",
    xref.XRefSectionData.process_entries: "3e16bc666eb0b1bc",
    xref.parse_xref_table: "f8538c1b53dac4d9",
    generic_cms.extract_certs_for_validation: "5d3207f7a0b9b3d2",
    find_valid_path: "dd8ab42c610bc09d",
}


@pytest.fixture(autouse=True)
def plain():
    remember(on=False)


@pytest.mark.parametrize("copied", COPIES, ids=lambda f: f.__qualname__)
def test_the_library_is_the_one_we_copied(copied):
    digest = hashlib.sha256(inspect.getsource(copied).encode()).hexdigest()[:16]
    assert digest == COPIES[copied]
