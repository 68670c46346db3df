"""The analysis of a person's footage, done once and kept."""
