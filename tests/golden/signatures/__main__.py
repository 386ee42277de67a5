"""Write the golden files and their table into a folder: `python -m tests.golden.signatures DIR`.

Without a folder the table alone is printed; `--keys` prints the table of the keys anew.
"""

import sys
from pathlib import Path

from tests.golden.signatures import authority, keys
from tests.golden.signatures.cases import CASES, build


def table() -> str:
    """Return the table of cases as Markdown."""
    rows = [
        "| file | right verdicts | sub-indication | remark | made from |",
        "|---|---|---|---|---|",
    ]
    for name, case in CASES.items():
        verdicts = " or ".join(sorted(case.verdicts))
        rows.append(f"| {name} | {verdicts} | {case.sub} | {case.note} | {case.twin} |")
    return "\n".join(rows) + "\n"


def main(arguments: list[str]) -> int:
    """Do what the arguments say; see above."""
    if arguments == ["--keys"]:
        sys.stdout.write(keys.rows(keys.NAMES))
        return 0
    if not arguments:
        sys.stdout.write(table())
        return 0
    folder = Path(arguments[0])
    authority.lay_out_trust(folder / "trust")
    for name in CASES:
        (folder / f"{name.replace('-', '_')}.pdf").write_bytes(build(name))
    (folder / "README.md").write_text(table(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
