"""Public certificates of Vietnamese authorities, to be confirmed; see SOURCES.md. Data only."""
