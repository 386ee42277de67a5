"""Pages for persons: clerks, operators, administrators. Rendered here, decided in the programs."""
