"""The HTTP API: parse, call one port, render. Business logic lives behind the ports."""
