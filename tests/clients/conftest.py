"""Clients that others have run by ``make test-clients`` alone: it builds an environment for each."""

import os

if os.environ.get("PILOTHOUSE_CLIENTS") != "1":
    collect_ignore_glob = ["test_*.py"]
