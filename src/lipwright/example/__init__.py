"""The bundled example: a public-domain portrait and synthetic speech, see NOTICE."""
