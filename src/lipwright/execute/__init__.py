"""Where a job is drawn and encoded when that is not this process."""
