"""The command line: one module a command group, each with `register(app)`; all thin.

A command parses its arguments, asks one program or core function, and returns an exit code through
`gateway.cli.frame`. Importing these modules is cheap: heavy libraries are imported where used.
"""
