"""Sound to speech features: log-mel bands, running normalisation, speech activity."""
