"""The imperative shell: one duty a program, each safe to kill at any point (docs/architecture)."""
