"""How fast and how large: each stage alone, and whole commands against the floor."""
