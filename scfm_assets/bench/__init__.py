"""`scfm bench`: what the engine does faster, smaller and equally well, against code that people write today."""
