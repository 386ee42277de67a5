"""Print the reference page: `python -m gateway.config > docs/configuration.md`."""

import sys

from gateway.config.page import reference

if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    sys.stdout.write(reference())
