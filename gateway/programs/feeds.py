"""One question about the agencies a caller speaks for, asked so that a page costs a page.

Most callers speak for one agency. Its rows lie in an index in the order they are asked for, so the
ledger reads a page of them and stops; rows of several agencies must be brought into one order
first, which costs what waits for all of them.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any

from gateway.ports import Ledger, Row


async def ask_for(
    ledger: Ledger, query: str, agencies: Collection[str], **params: Any
) -> Sequence[Row]:
    """Ask `query` about some agencies, or `query` + `_of` about the only one."""
    if len(agencies) == 1:
        (agency,) = agencies
        return await ledger.all(f"{query}_of", agency=agency, **params)
    return await ledger.all(query, agencies=json.dumps(sorted(agencies)), **params)
