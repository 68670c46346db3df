"""The bundled example: a public-domain portrait and synthetic speech, see NOTICE."""

from pathlib import Path

portrait: Path = Path(__file__).with_name("portrait.jpg")
speech: Path = Path(__file__).with_name("speech.flac")
