"""Speech features to mouth motion: one drive per output frame."""
