"""Draws the target mouth into a frame."""
