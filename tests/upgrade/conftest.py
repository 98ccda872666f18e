"""Upgrades between environments, run by ``make test-upgrade`` alone: it builds those of before."""

import os

if os.environ.get("PILOTHOUSE_UPGRADE") != "1":
    collect_ignore_glob = ["test_*.py"]
