"""What verifies a dossier without Pilothouse: ``verify.sh`` and ``verify.py`` with its parts are copied into each."""
