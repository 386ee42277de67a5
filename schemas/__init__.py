"""Our own XSDs of the edXML forms, one folder a version; see SOURCES.md."""
