"""Many jobs at once: a list of them, processes that do them, and one report."""
