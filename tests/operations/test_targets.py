"""Targets described once in ``targets.toml``: applied, selected by model files, written from what these say, gone again."""

from datetime import timedelta
from pathlib import Path

import pytest

from pilothouse.domain.doctor import Finding
from pilothouse.domain.errors import ConflictError, ModelFileError, NotAllowedError, NotFoundError
from pilothouse.domain.identity.roles import Role
from pilothouse.operations import catalogue
from pilothouse.operations.fleet import places, remote_tokens, targets
from pilothouse.operations.promotion import promotions
from pilothouse.operations.services import Services
from pilothouse.operations.upkeep import backups, restores
from pilothouse.operations.workspace import apply_models, audits, doctor, target_files, workspaces
from pilothouse.operations.workspace.apply_models import PlannedChange
from pilothouse.store.deployed import processes
from pilothouse.store.models import remote_targets
from support.certificates import made_certificate
from support.job_workspace import (
    ADMIN,
    APPROVER,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    make_workspace,
    trained,
    write_model,
)

TARGETS = """
# Written by hand, and kept as it is.
[[target]]
name = "ewr"
region = "us-east"
environment = "production"
port = 8101
labels = { carrier = "AA", tier = "gold" }

[[target]]
name = "jfk"
region = "us-east"
labels = { carrier = "UA" }
"""
SELECTING = MODEL[: MODEL.index("[[targets]]")] + (
    '[targets]\nselect = { region = "us-*" }\nmatch = { carrier = "{labels.carrier}" }\n'
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return make_workspace(tmp_path)


def write_targets(services: Services, text: str = TARGETS) -> Path:
    path = services.paths.root / "targets.toml"
    path.write_text(text)
    return path


def apply(services: Services, name: str = SCIENTIST) -> dict[str, PlannedChange]:
    return {change.model: change for change in apply_models.apply(services, actor(services, name))}


def faults(services: Services) -> tuple[str, ...]:
    with pytest.raises(ModelFileError) as refused:
        apply_models.apply(services, actor(services, SCIENTIST))
    return refused.value.problems


def test_targets_are_described_in_one_file_and_selected_by_the_model_files(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)

    changes = apply(services)

    assert changes["targets.toml"] == PlannedChange(
        "targets.toml", "create", ("ewr: new", "jfk: new"), may_apply=("ann", "eve"), permitted=True
    )
    assert (changes["demo"].action, changes["demo"].notes) == ("create", ())
    ewr, jfk = targets.list_targets(services, actor(services, SCIENTIST))
    assert (ewr.name, ewr.region, ewr.environment, ewr.port) == ("ewr", "us-east", "production", 8101)
    assert ewr.labels == {"carrier": "AA", "tier": "gold"}
    assert (jfk.name, jfk.environment, jfk.port, jfk.labels) == ("jfk", "", None, {"carrier": "UA"})
    assert catalogue.get_model(services, actor(services, SCIENTIST), "demo").targets == ("ewr", "jfk")
    spec = catalogue.get_spec(services, actor(services, SCIENTIST), "demo")
    assert {target.name: target.match for target in spec.targets} == {
        "ewr": {"carrier": "AA"},
        "jfk": {"carrier": "UA"},
    }


def test_nothing_is_written_where_nothing_has_changed(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services)
    before = audits.head(services, actor(services, ADMIN))

    changes = apply(services)

    assert {name: change.action for name, change in changes.items()} == {
        "targets.toml": "unchanged",
        "demo": "unchanged",
    }
    assert audits.head(services, actor(services, ADMIN)) == before


def test_a_plan_names_each_difference_of_a_target_and_changes_nothing(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services)
    write_targets(services, TARGETS.replace("8101", "8102").replace('tier = "gold"', 'tier = "silver"'))

    planned = apply_models.plan(services, actor(services, SCIENTIST))

    assert planned[0] == PlannedChange(
        "targets.toml",
        "update",
        (
            "ewr.port: 8101 → 8102",
            "ewr.labels: { carrier = AA, tier = gold } → { carrier = AA, tier = silver }",
        ),
        may_apply=("ann", "eve"),
        permitted=True,
    )
    assert targets.list_targets(services, actor(services, SCIENTIST))[0].port == 8101
    apply(services)
    assert targets.list_targets(services, actor(services, SCIENTIST))[0].port == 8102
    newest = audits.show(services, actor(services, ADMIN), limit=1)[0]
    assert (newest.action, newest.subject) == ("targets.described", "targets.toml")
    assert newest.detail["differences"] == list(planned[0].differences)


def test_a_new_target_that_fits_is_a_change_of_the_models_that_select_it(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services)
    write_targets(
        services, TARGETS + '\n[[target]]\nname = "bos"\nregion = "us-north"\nlabels = { carrier = "B6" }\n'
    )

    changes = apply(services)

    assert changes["targets.toml"].differences == ("bos: new",)
    assert changes["demo"].differences == ("targets: new: bos",)
    assert catalogue.get_model(services, actor(services, SCIENTIST), "demo").targets == ("bos", "ewr", "jfk")


def test_other_rows_for_a_target_loosen_and_need_an_admin(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services)
    write_targets(services, TARGETS.replace('carrier = "UA"', 'carrier = "AA"'))

    with pytest.raises(NotAllowedError, match="loosens"):
        apply(services)
    changes = apply(services, ADMIN)

    assert changes["demo"].differences == ("targets.jfk.match.carrier: UA → AA",)


def test_what_model_files_say_holds_without_a_file_of_targets_and_a_note_says_so(services: Services) -> None:
    changes = apply(services)

    assert "targets.toml" not in changes
    assert changes["demo"].notes == (
        "ewr, jfk are described here and not in targets.toml: pilothouse targets --write adds them",
    )
    assert targets.list_targets(services, actor(services, SCIENTIST))[0].region == "us-east"


def test_a_target_that_the_file_lacks_is_used_as_the_model_file_says(services: Services) -> None:
    write_targets(services, '[[target]]\nname = "jfk"\n')

    changes = apply(services)

    assert changes["demo"].notes == (
        "ewr is described here and not in targets.toml: pilothouse targets --write adds it",
    )
    ewr, jfk = targets.list_targets(services, actor(services, SCIENTIST))
    assert (ewr.region, ewr.listed, jfk.listed) == ("us-east", False, True)


def test_a_model_file_that_says_otherwise_is_a_fault_that_names_both(services: Services) -> None:
    write_targets(services, TARGETS.replace('"us-east"', '"us-west"', 1))

    (fault,) = faults(services)

    assert fault == (
        "models/demo/model.toml: targets[0].region: found 'us-east' for 'ewr'; expected 'us-west' as in targets.toml"
    )
    write_targets(services, '[[target]]\nname = "ewr"\n')
    assert faults(services)[0].endswith("found 'us-east' for 'ewr'; expected none, as in targets.toml")


def test_faults_of_targets_and_of_models_are_told_at_once(services: Services) -> None:
    write_targets(services, TARGETS.replace("8101", "0"))
    write_model(services.paths.root, SELECTING.replace("seed = 7", "sed = 7"))

    problems = faults(services)

    assert [line.split(": ")[1] for line in problems] == ["target[0].port", "training.sed"]
    assert targets.list_targets(services, actor(services, SCIENTIST)) == []


def test_a_fault_of_the_source_that_every_selected_target_has_is_told_once(services: Services) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING.replace("match = { carrier =", "match = { carier ="))

    (fault,) = faults(services)

    assert fault.startswith("models/demo/model.toml:31: targets.match: found 'carier', which is no column of")


def test_the_file_that_the_model_files_imply_is_written_and_read_back(services: Services) -> None:
    apply(services)
    path = services.paths.root / "targets.toml"

    assert target_files.write_targets_file(services, actor(services, SCIENTIST)) == ["ewr", "jfk"]

    assert path.read_text() == '[[target]]\nname = "ewr"\nregion = "us-east"\n\n[[target]]\nname = "jfk"\n'
    assert path.stat().st_mode & 0o777 == 0o644
    changes = apply(services)
    assert changes["targets.toml"].differences == (
        "ewr: described here from now on",
        "jfk: described here from now on",
    )
    assert (changes["demo"].action, changes["demo"].notes) == ("unchanged", ())


def test_writing_adds_what_is_missing_and_leaves_the_rest_as_it_is(services: Services) -> None:
    written = '# by hand\n[[target]]\nname = "jfk"\nregion = "us-west"  # really\n'
    path = write_targets(services, written)

    assert target_files.write_targets_file(services, actor(services, SCIENTIST)) == ["ewr"]

    assert path.read_text() == written + '\n[[target]]\nname = "ewr"\nregion = "us-east"\n'
    assert target_files.write_targets_file(services, actor(services, SCIENTIST)) == []
    with pytest.raises(NotAllowedError):
        target_files.write_targets_file(services, actor(services, APPROVER))


def test_a_target_that_is_gone_keeps_its_deployment_and_a_note_says_so(tmp_path: Path) -> None:
    services = applied(tmp_path)
    trained(services)
    request = promotions.request_promotion(services, actor(services, SCIENTIST), "models:/demo/1")
    promotions.approve(services, actor(services, APPROVER), request.id, request.evidence_digest)
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services, ADMIN)
    write_targets(services, TARGETS[: TARGETS.index("[[target]]", 60)])

    changes = apply(services, ADMIN)

    assert changes["targets.toml"].differences == (
        "jfk: gone; its description and what is live there stay as they are",
    )
    assert changes["demo"].differences == ("targets: gone: jfk",)
    assert changes["demo"].notes == (
        "is live on jfk, which it no longer names: that stays until it is rolled back",
    )
    version = catalogue.get_version(services, actor(services, SCIENTIST), "models:/demo/1")
    assert version.live_on == ("ewr", "jfk")
    again = apply(services, ADMIN)
    assert (again["targets.toml"].action, again["targets.toml"].differences) == ("unchanged", ())


def test_a_file_of_targets_that_is_gone_is_reported_and_its_targets_stay(services: Services) -> None:
    path = write_targets(services)
    apply(services)
    path.unlink()

    changes = apply(services)

    assert changes["targets.toml"].action == "missing"
    assert [t.port for t in targets.list_targets(services, actor(services, SCIENTIST))] == [8101, None]
    assert "targets.toml" not in apply(services)


def test_a_role_for_one_model_does_not_describe_targets(services: Services) -> None:
    apply(services)
    workspaces.grant_role(services, actor(services, ADMIN), "sid", Role.VIEWER)
    workspaces.grant_role(services, actor(services, ADMIN), "sid", Role.DATA_SCIENTIST, model="demo")
    write_model(services.paths.root, MODEL.replace("seed = 7", "seed = 8"))
    assert apply(services, "sid")["demo"].action == "update"
    write_targets(services)

    with pytest.raises(NotAllowedError, match="sid may not apply"):
        apply(services, "sid")

    assert [t.listed for t in targets.list_targets(services, actor(services, ADMIN))] == [False, False]


def test_a_backup_holds_the_file_of_targets(services: Services, tmp_path: Path) -> None:
    write_targets(services)
    apply(services)

    backups.backup(services, actor(services, ADMIN), tmp_path / "b.tar")
    restores.restore(tmp_path / "b.tar", tmp_path / "again")

    assert (tmp_path / "again" / "targets.toml").read_text() == TARGETS


def test_a_new_token_is_put_where_the_serving_process_reads_it(services: Services) -> None:
    write_targets(services)
    apply(services)
    folder = services.paths.serving_folder("ewr")
    folder.mkdir(parents=True)

    issued = [targets.issue_token(services, actor(services, ADMIN), name) for name in ("ewr", "jfk")]

    assert (folder / "token").read_text() == issued[0]
    assert (folder / "token").stat().st_mode & 0o777 == 0o600
    assert not services.paths.serving_folder("jfk").exists()
    with pytest.raises(NotFoundError, match=r"describe it in targets\.toml"):
        targets.issue_token(services, actor(services, ADMIN), "nowhere")


def test_files_of_tokens_and_tls_take_an_admin_and_the_plan_says_what_is_wrong_with_them(
    services: Services,
) -> None:
    write_targets(services)
    write_model(services.paths.root, SELECTING)
    apply(services)
    named = TARGETS.replace("port = 8101", 'port = 8101\ngrpc_port = 8201\nclient_tokens = "tokens"')
    write_targets(services, named)
    lines = ("ewr.grpc_port: none → 8201", "ewr.client_tokens: none → tokens")
    (change,) = (
        one for one in apply_models.plan(services, actor(services, SCIENTIST)) if one.model == "targets.toml"
    )
    assert (change.differences, change.loosens) == (lines, lines[1:])
    assert (change.permitted, change.may_apply) == (False, (ADMIN,))
    root = services.paths.root
    assert change.notes == (f"ewr: {root / 'tokens'} cannot be read: No such file or directory",)
    with pytest.raises(NotAllowedError, match=r"targets\.toml: it loosens ewr\.client_tokens: none → tokens"):
        apply(services)
    (root / "tokens").write_text("a-token-of-one-client\n")
    assert apply(services, ADMIN)["targets.toml"].notes == ()
    ewr = targets.list_targets(services, actor(services, SCIENTIST))[0]
    assert (ewr.grpc_port, ewr.client_tokens, ewr.tls_key) == (8201, "tokens", "")
    # a port alone is no admin's matter; taking the tokens away is
    write_targets(services, named.replace("8201", "8202"))
    assert apply(services)["targets.toml"].differences == ("ewr.grpc_port: 8201 → 8202",)
    write_targets(services)
    with pytest.raises(NotAllowedError, match=r"ewr\.client_tokens: tokens → none"):
        apply(services)
    apply(services, ADMIN)
    assert targets.list_targets(services, actor(services, SCIENTIST))[0].client_tokens == ""


def test_the_doctor_warns_before_a_certificate_ends(services: Services) -> None:
    def line() -> Finding:
        found = doctor.diagnose(services, actor(services, ADMIN))
        return next(one for one in found if one.check == "clients")

    write_targets(services, TARGETS.replace("port = 8101", 'tls_certificate = "c.pem"\ntls_key = "k.pem"'))
    write_model(services.paths.root, SELECTING)
    apply(services, ADMIN)
    root = services.paths.root
    for days, is_fine, words in (
        (60, True, "tokens of clients on 0 of 2 targets, TLS on 1; the first certificate ends on "),
        (5, False, f"ewr: {root / 'c.pem'} expires on "),
        (-1, False, f"ewr: {root / 'c.pem'} expired on "),
    ):
        certificate, key = made_certificate(services.now(), days)
        (root / "c.pem").write_bytes(certificate)
        (root / "k.pem").write_bytes(key)
        found = line()
        assert (found.ok, found.finding.startswith(words)) == (is_fine, True), found
    # those in the folder of a process count too
    write_targets(services)
    apply(services, ADMIN)
    folder = services.paths.serving_folder("jfk")
    folder.mkdir(parents=True)
    (folder / "client-tokens").write_text("a-token-of-one-client\n")
    assert line().finding == "tokens of clients on 1 of 2 targets, TLS on none"


def test_an_admin_sees_all_that_a_command_is_given(services: Services) -> None:
    """A variable that the daemon passes on may be a secret: its name stands in the change, not the command alone."""
    far = '\n[[target]]\nname = "far"\n[target.deployer]\ncommand = ["./out.sh", "far"]\ntimeout = "2m"\n'
    write_targets(services, TARGETS + far)
    write_model(services.paths.root, SELECTING)
    (line,) = (one for one in apply(services, ADMIN)["targets.toml"].differences if "deployer" in one)
    assert line.startswith("far.deployer: none → ./out.sh far; timeout = 2m; ")
    write_targets(services, TARGETS + far + 'environment = ["A_TOKEN"]\n')
    with pytest.raises(NotAllowedError, match=r"far\.deployer: .* → \./out\.sh far; .*environment = A_TOKEN"):
        apply(services)


def test_what_something_else_serves_is_started_by_nobody_and_never_down(services: Services) -> None:
    """A remote target that has not been heard of is down; one that is served elsewhere has nothing to be heard of."""
    write_targets(services, TARGETS + 'place = "remote"\n')
    apply(services, ADMIN)
    assert (reports(services), places.list_places(services, actor(services, ADMIN))["jfk"].kind) == (
        ["jfk"],
        "remote",
    )

    write_targets(services, TARGETS + 'place = "elsewhere"\n')
    assert "jfk.place: remote → elsewhere" in apply(services, ADMIN)["targets.toml"].differences
    assert reports(services) == []
    with services.registry.read() as connection:
        assert remote_targets.not_served_here(connection) == {"jfk"}
    assert places.list_places(services, actor(services, ADMIN))["jfk"].kind == "elsewhere"
    with pytest.raises(ConflictError, match="no serving process comes for jfk"):
        remote_tokens.issue(services, actor(services, ADMIN), "jfk", timedelta(days=1))


def reports(services: Services) -> list[str]:
    """Targets whose serving process the daemon waits to hear of."""
    with services.registry.read() as connection:
        return sorted(processes.reports(connection))
