"""Finds one person in a clip and follows the face mesh through time."""
