"""A program that knows a second revision of the ledger, made up by the test."""

from gateway.store import revisions

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

    def program(*known):
        monkeypatch.setattr(revisions, "REVISIONS", known)
        monkeypatch.setattr(revisions, "HEAD", known[-1])
        monkeypatch.setattr(revisions, "FOLDER", folder)

    return program
