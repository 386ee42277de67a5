"""Keys and certificates that change while the gateway runs: watched, checked, swapped."""
