"""Lipwright: the open lip-sync engine."""
