"""Malware scanners behind `ports.Scanner`."""
