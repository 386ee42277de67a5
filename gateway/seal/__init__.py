"""The gateway's seal on its own reports; nothing else is ever signed here (SIG-03)."""
