"""The HTTP service: what existing clients talk to, a queue that loses nothing, and one worker process per device."""
