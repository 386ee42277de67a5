"""A program that knows a second revision of the ledger, made up by the test."""

import re

from gateway.store import revisions, shape

HEAD = '''
"""Made up."""
import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None
'''


def make_newer(folder, monkeypatch, halves):
    """Return what makes this process know other revisions: `program("0001", "0002")`.

    Args:
        folder: For the migrations.
        monkeypatch: Ends it with the test.
        halves: Python text of `upgrade()` and `finish()`.
    """
    (folder / "versions").mkdir(parents=True)
    for path in revisions.FOLDER.rglob("*.py"):
        (folder / path.relative_to(revisions.FOLDER)).write_bytes(path.read_bytes())
    (folder / "versions" / "0002_made_up.py").write_text(HEAD + halves)
    needed = shape.needed()
    gone = {".".join(names) for names in re.findall(r'(\w+)\.drop_column\("(\w+)"\)', halves)}
    kept = frozenset(name for name in needed if name.removesuffix(" NULL") not in gone)

    def program(*known):
        # What the second half takes away, the newer program does not ask for.
        monkeypatch.setattr(shape, "needed", lambda: needed if known[-1] == "0001" else kept)
        monkeypatch.setattr(revisions, "REVISIONS", known)
        monkeypatch.setattr(revisions, "HEAD", known[-1])
        monkeypatch.setattr(revisions, "FOLDER", folder)

    return program
