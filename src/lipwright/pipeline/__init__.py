"""The stages in order: a video and a sound in, the dubbed video out."""
