"""A prediction log by URL is not read for somebody who may not hand it in."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from pilothouse.cli.group import cli
from pilothouse.domain.errors import NotAllowedError
from support.small_workspace import make_small_workspace


def test_a_source_is_not_looked_at_for_whoever_may_not_ingest(tmp_path: Path) -> None:
    made = make_small_workspace(tmp_path / "w")
    words = ["ingest", "postgresql://127.0.0.1:9/nothing", "--query", "SELECT 1", "--model", "delay"]
    words += ["--version", "1", "--target", "ewr"]
    done = CliRunner().invoke(cli, ["-w", str(made.root), *words], standalone_mode=False)
    assert isinstance(done.exception, NotAllowedError), done.exception
    with pytest.raises(NotAllowedError, match="hand in predictions"):
        raise done.exception
