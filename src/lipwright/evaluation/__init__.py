"""Looks at results."""
