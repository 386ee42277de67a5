"""vanlien: the document-interchange gateway. `gateway.app` wires it; see docs/architecture.md."""

__version__ = "0.1.0"
