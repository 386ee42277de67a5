"""The demonstration: a development PKI, signed letters, a simulated axis. Never for production."""
