"""Puts the drawn mouth back into its frame."""
