"""Networks that look at the face of one frame: its restoring, its regions, what covers it. Each call is pure."""
