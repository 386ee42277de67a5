"""Mail: alerts and the morning's digest go out by SMTP."""
