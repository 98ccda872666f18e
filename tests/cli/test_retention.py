"""What operators type about old predictions: a look deletes nothing, a hold stops deletion, refusals are one line."""

import json
from datetime import timedelta

import pytest

from pilothouse.cli import failures, main
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.ingest import ingest
from pilothouse.operations.services import wall_clock
from pilothouse.operations.workspace import workspaces
from pilothouse.system.workspace_place import os_user
from support.flight_batches import batch_of
from support.monitored_flights import admin, make_watched, traffic


@pytest.fixture
def run(tmp_path, capsys):
    """Runs a command in a workspace with three days of flights that came forty days ago; (code, stdout, stderr)."""
    services = make_watched(tmp_path)
    workspaces.grant_role(services, admin(services), os_user(), Role.ADMIN)
    past = wall_clock() - timedelta(days=40)
    services.now = lambda: past
    for number in range(3):
        ingest.ingest_batch(services, batch_of(traffic("ewr", number, 1), number))
    services.close()

    def act(*arguments: str):
        capsys.readouterr()
        given = ["--workspace", str(tmp_path), *arguments]
        code = failures.run(lambda: main.run(given))
        return (code, *capsys.readouterr())

    return act


def test_a_look_then_a_hold_then_deletion(run) -> None:
    code, _, message = run("retention", "--keep", "30", "--reason", "the policy")
    assert code == 0
    assert "nothing was deleted: add --apply" in message
    placed = run("legal-hold", "place", "--model", "flight-delay", "--reason", "a case")
    assert "stands on model flight-delay" in placed[2]
    share = json.loads(run("retention", "--apply", "--json")[1])["shares"][0]
    assert share["held"] == "model flight-delay"
    assert share["rows"] == share["stored_rows"] > 0
    assert run("legal-hold", "lift", "1", "--reason", "closed")[0] == 0
    assert run("legal-hold", "lift", "1", "--reason", "closed")[0] != 0
    assert "MB given back" in run("retention", "--apply")[2]
    assert json.loads(run("retention", "--json")[1])["shares"][0]["stored_rows"] == 0
    assert "a case" in run("legal-hold", "list")[1]


@pytest.mark.parametrize(
    "arguments", [("--keep", "soon", "--reason", "x"), ("--keep", "0", "--reason", "x"), ("--keep", "30")]
)
def test_refusals_are_one_line(run, arguments) -> None:
    code, out, message = run("retention", *arguments)
    assert code != 0
    assert not out
    assert len(message.strip().splitlines()) == 1
