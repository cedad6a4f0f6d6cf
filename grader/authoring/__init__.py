"""A lesson's text, and the notebooks that are made of it."""
