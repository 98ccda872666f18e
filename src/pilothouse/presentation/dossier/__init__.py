"""Dossier of a version as sections, and these as one HTML page and as a model card in Markdown."""
