"""The programs of others, run by ``make test-ecosystem`` alone: it installs what a file asks for, and says what it skipped."""

import os
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
if os.environ.get("PILOTHOUSE_ECOSYSTEM") != "1":
    collect_ignore_glob = ["test_*.py", "*/test_*.py"]


@pytest.fixture(scope="session")
def python() -> Path:
    """Python of the tool's own environment."""
    return Path(os.environ["ECOSYSTEM_PYTHON"])
