"""The client: what it is told, what it changes and who is named for it, and what is refused in one line."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.domain.identity.roles import Role
from pilothouse.operations.promotion import promotions
from pilothouse.operations.workspace import workspaces
from pilothouse.store.log import audit
from pilothouse.system.workspace_place import os_user
from support import wait_until
from support.programs import program
from support.small_workspace import SmallWorkspace

REFUSED: list[tuple[Callable[[ph.Client], object], type[ph.PilothouseError], str]] = [
    (lambda c: c.model("nothing"), ph.NotFoundError, "there is no model 'nothing'"),
    (lambda c: c.version("delay/9"), ph.NotFoundError, "has no version 9"),
    (lambda c: c.version("a\x1b[31m b"), ph.InvalidInputError, "does not name a version"),
    (lambda c: c.job(99), ph.NotFoundError, "there is no job 99"),
    (lambda c: c.jobs(status="odd"), ph.InvalidInputError, "is no status of a job"),
    (lambda c: c.train("delay", overrides={"gates.data": 1}), ph.InvalidInputError, "gates.data"),
    (lambda c: c.request("delay/1"), ph.ConflictError, "live"),
    (lambda c: c.withdraw(7), ph.NotFoundError, "there is no request 7"),
    (lambda c: c.cancel("one"), ph.InvalidInputError, "expected a number"),  # type: ignore[arg-type]
    (lambda c: c.findings("delay", "nowhere"), ph.NotFoundError, "has no target 'nowhere'"),
    (lambda c: c.recorded_run(9), ph.NotFoundError, "there is no runs:/9"),
    (lambda c: c.run("nothing"), ph.NotFoundError, "there is no model"),
    (lambda c: c.run(c.model("delay")), ph.InvalidInputError, "expected its name"),  # type: ignore[arg-type]
    (lambda c: c.train(c.model("delay")), ph.InvalidInputError, "expected its name"),  # type: ignore[arg-type]
    (lambda c: c.request(7), ph.InvalidInputError, "expected a version"),  # type: ignore[arg-type]
    (
        lambda c: c.train("delay", overrides={"depth": 1}),
        ph.InvalidInputError,
        r"training\.parameters\.depth\?",
    ),
]


def test_models_and_versions_are_told_as_the_registry_has_them(client: ph.Client) -> None:
    (model,) = client.models()
    assert (model.name, model.task, model.targets, model.aliases) == (
        "delay",
        "binary",
        ("ewr",),
        {"champion": 1},
    )
    assert client.model("delay") == model
    newest, first = client.versions("delay")
    assert (newest.uri, first.uri) == ("models:/delay/2", "models:/delay/1")
    assert client.version("delay@champion") == first
    assert first.live_on == ("ewr",)
    assert first.created_at == datetime(2025, 3, 1, tzinfo=UTC)


def test_a_version_stands_for_its_reference(client: ph.Client) -> None:
    newest, first = client.versions("delay")
    assert client.version(first) == first
    assert client.load(first).uri == first.uri
    assert client.request(newest, reason="better").version == newest.number


def test_what_it_changes_is_in_the_audit_log_under_the_account(
    client: ph.Client, shop: SmallWorkspace
) -> None:
    job = client.train("delay", reason="new rows", overrides={"training.parameters.max_iter": 9})
    assert (job.status, job.created_by, job.ended) == ("queued", os_user(), False)
    assert client.jobs("delay", status="queued")[0] == job
    assert client.wait(client.cancel(job, reason="not now")).status == "cancelled"
    request = client.request("delay/2", targets=["ewr"], reason="better")
    assert (request.status, request.requested_by, request.open) == ("open", os_user(), True)
    assert client.requests(open_only=True) == [request]
    with shop.services.registry.read() as connection:
        entries = [*audit.about(connection, f"job {job.number}", ("job.queued", "job.cancelled")),
                   *audit.about(connection, f"request {request.number}", ("request.opened",))]  # fmt: skip
    assert {entry.actor for entry in entries} == {os_user()}
    assert {entry.detail["identity"]["kind"] for entry in entries} == {"account"}


def test_a_program_waits_for_the_decision_of_a_person(client: ph.Client, shop: SmallWorkspace) -> None:
    request = client.request("delay/2", reason="better")
    with pytest.raises(ph.UnavailableError, match=f"request {request.number} is open after 0.1 s"):
        client.wait(request, timeout=0.1)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.wait, request, timeout=60.0)
        found = promotions.get_request(shop.services, shop.approver, request.number)
        promotions.approve(shop.services, shop.approver, request.number, found.evidence_digest)
        assert waiting.result().status == "deployed"
    assert client.version("delay@champion").number == 2


def test_refusals_are_one_line_and_of_their_class(client: ph.Client) -> None:
    for act, kind, message in REFUSED:
        with pytest.raises(kind, match=message) as caught:
            act(client)
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


def test_who_may_not_is_refused_as_at_the_command_line(client: ph.Client, shop: SmallWorkspace) -> None:
    workspaces.revoke_role(shop.services, shop.admin, os_user(), Role.DATA_SCIENTIST)
    for act in (
        lambda: client.train("delay"),
        lambda: client.run("delay"),
        lambda: client.request("delay/2"),
    ):
        with pytest.raises(ph.NotAllowedError, match=f"{os_user()} may not"):
            act()


@pytest.mark.parametrize("place", ["ssh://host/folder", "https://host:8443", "sam@host:folder"])
def test_a_workspace_of_another_machine_is_refused_in_one_line(place: str) -> None:
    with pytest.raises(ph.InvalidInputError, match="opens no workspace of another one"):
        ph.Client(place)


def test_a_folder_that_is_no_workspace_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ph.NotFoundError, match="is not a workspace"):
        ph.Client(tmp_path)
    monkeypatch.delenv("PILOTHOUSE_WORKSPACE", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ph.NotFoundError, match="no workspace in"):
        ph.log_outcomes({"prediction_id": [], "outcome": []})


def test_a_closed_client_says_so_and_leaves_no_process(shop: SmallWorkspace) -> None:
    client = ph.Client(shop.root)
    client.models()
    desk = client._connection._desk
    assert desk is not None
    client.close()
    client.close()
    assert desk.returncode == 0
    with pytest.raises(ph.ConflictError, match="is closed"):
        client.models()


def test_a_program_that_ends_without_closing_leaves_no_process(shop: SmallWorkspace) -> None:
    text = (
        "import os, sys, pilothouse as ph\nclient = ph.Client()\nclient.models()\n"
        "print(client._connection._desk.pid, flush=True)\nif len(sys.argv) > 1: os._exit(0)"
    )
    for more in ((), ("at once",)):
        found = program(text, shop.root, *more)
        assert found.stderr == ""
        desk = Path("/proc") / found.stdout.strip()
        wait_until(lambda desk=desk: not desk.exists())


def test_a_local_module_of_a_librarys_name_is_not_taken_by_the_desk(
    client: ph.Client, shop: SmallWorkspace
) -> None:
    (shop.root / "msgspec.py").write_text("raise SystemExit('the wrong one')")
    found = program(
        "import sys; sys.path.remove('')\nimport pilothouse as ph; print(len(ph.Client().models()))",
        shop.root,
    )
    assert found.stdout == "1\n", found.stderr


def test_a_workspace_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "registry.db").write_bytes(b"no database at all" * 100)
    with ph.Client(tmp_path) as client, pytest.raises(ph.PilothouseError) as caught:
        client.models()
    assert "\n" not in str(caught.value)


def test_a_desk_that_cannot_start_says_why(shop: SmallWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/bin/false")
    with ph.Client(shop.root) as client, pytest.raises(ph.UnavailableError, match="ended with code 1"):
        client.models()


def test_several_threads_share_a_client(client: ph.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: client.version("delay/1").uri, range(40)))
    assert set(found) == {"models:/delay/1"}


def test_a_forked_child_has_a_connection_of_its_own(client: ph.Client) -> None:
    client.models()
    child = os.fork()
    if child == 0:
        ok = False
        try:
            ok = client.models()[0].name == "delay"
            client.close()
        finally:
            os._exit(0 if ok else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert client.models()[0].name == "delay"
