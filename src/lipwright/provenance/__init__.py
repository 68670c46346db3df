"""Where a file comes from: signed statement, mark in the pixels, records; made by every job, read from any file."""
