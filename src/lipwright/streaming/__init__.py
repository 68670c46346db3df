"""A person who says what is still being said: sound in as it comes, frames out a moment later."""
