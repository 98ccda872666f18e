"""Formats of others. What needs the real tools runs by ``make test-interop`` alone: it builds an environment for each."""

import os

if os.environ.get("PILOTHOUSE_INTEROP") != "1":
    collect_ignore_glob = ["test_real_tools.py"]
