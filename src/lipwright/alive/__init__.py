"""A photo as footage: small head motion and blinks before a background that stands still."""
