"""The watch: what is wrong, who is told, what lies before an agency today."""
