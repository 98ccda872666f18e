"""What verifies a dossier without Pilothouse: ``verify.sh`` and ``verify.py`` are copied into each."""
