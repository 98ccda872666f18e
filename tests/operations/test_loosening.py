"""What a data scientist may not apply alone: every key that loosens, and each way round it."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from pilothouse.domain.errors import ConflictError, InvalidInputError, ModelFileError, NotAllowedError
from pilothouse.domain.identity.roles import Permission, Role
from pilothouse.domain.promotion.loosening_keys import KEYS, Looser
from pilothouse.operations.authorisation import changing
from pilothouse.operations.automation import job_handlers
from pilothouse.operations.jobs import job_inputs, trainings
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits, workspaces
from pilothouse.operations.workspace.apply_models import PlannedChange
from pilothouse.store.models import models
from support.job_workspace import ADMIN, SCIENTIST, actor, claim, make_workspace, queue
from support.loosening_cases import (
    AUTOMATIC,
    BASE,
    CHANGES,
    GATE,
    NOT_ON_THESE_ROWS,
    base_of,
    changed,
    toml_text,
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    services = make_workspace(tmp_path)
    (services.paths.root / "plans.toml").write_text('[[plan]]\nname = "careful"\nwave = [{ name = "all" }]\n')
    return services


def write(services: Services, plain: dict[str, Any], **code: str) -> None:
    """The model's folder: its file, ``gate.py`` and others by their names."""
    folder = services.paths.models / plain["name"]
    folder.mkdir(exist_ok=True)
    (folder / "model.toml").write_text(toml_text(plain))
    for name, text in ({"gate": GATE} | code).items():
        (folder / f"{name}.py").write_text(text)


def apply(services: Services, who: str) -> PlannedChange:
    of_plans, change = apply_models.apply(services, actor(services, who))
    assert of_plans.model == "plans.toml"
    return change


def apply_base(services: Services, plain: dict[str, Any] = BASE, **code: str) -> None:
    write(services, plain, **code)
    apply(services, ADMIN)


def refused(services: Services, *said: str) -> None:
    """The files as they are take an admin, are refused in one error, and change nothing."""
    before = audits.head(services, actor(services, ADMIN))
    with pytest.raises(NotAllowedError) as error:
        apply_models.apply(services, actor(services, SCIENTIST))
    head, *lines = str(error.value).split("\n")
    assert head.endswith(
        "may not loosen a gate or a policy: that takes an admin (eve), and nothing was applied"
    )
    for text in said:
        assert any(text in line for line in lines), lines
    assert audits.head(services, actor(services, ADMIN)) == before


@pytest.mark.parametrize("key", [key for key in CHANGES if key not in NOT_ON_THESE_ROWS])
def test_each_key_by_a_data_scientist_and_by_an_admin(services: Services, key: str) -> None:
    rule = KEYS[key]
    before = base_of(key, unattended=rule.unattended)
    after = changed(before, *CHANGES[key])
    apply_base(services, before)
    write(services, after)

    if rule.looser is Looser.NEVER:
        assert apply(services, SCIENTIST).action == "update"
        return
    refused(services)
    assert apply(services, ADMIN).loosens

    write(services, before)
    if rule.looser is Looser.CHANGED and key != "gates.function":
        refused(services)
    elif rule.looser is not Looser.TABLE:
        assert apply(services, SCIENTIST).loosens == ()


@pytest.mark.parametrize("key", ["gates.metric.minimum", "gates.metric.maximum", "gates.metric.minimum_rows"])
def test_a_tighter_bound_is_for_everybody(services: Services, key: str) -> None:
    apply_base(services, changed(BASE, *CHANGES[key]))
    write(services, BASE)

    assert apply(services, SCIENTIST).loosens == ()


def test_the_body_of_the_gate_function_takes_an_admin_and_is_seen_without_a_change_of_the_file(
    services: Services,
) -> None:
    apply_base(services)
    write(services, BASE, gate="def check(holdout, predictions, metrics):\n    return True, 'fine'\n")

    refused(services, "gate.py changed (not comparable: other code judges)")
    done = apply(services, ADMIN)
    assert (done.action, done.differences) == ("update", ("gates.function: gate.py changed",))
    assert apply(services, SCIENTIST).action == "unchanged"


@pytest.mark.parametrize("change", ["rules.py", "limits.json", "train.py"])
def test_whatever_the_gate_function_reads_takes_an_admin(services: Services, change: str) -> None:
    gate = f"import rules\nimport json\nfrom pathlib import Path\n\n{GATE}"
    rules = "import train\nLIMITS = __file__.replace('rules.py', 'limits.json')\n"
    write(services, BASE, gate=gate, rules=rules, train="LIMIT = 0.6\n", unrelated="")
    folder = services.paths.models / "demo"
    (folder / "limits.json").write_text("{}")
    apply(services, ADMIN)
    (folder / "unrelated.py").write_text("# nobody reads this\n")
    assert apply(services, SCIENTIST).action == "unchanged"

    (folder / change).write_text("0")

    refused(services, f"{change} changed")


def test_train_py_that_no_gate_reads_is_the_data_scientists(services: Services) -> None:
    apply_base(services, train="LIMIT = 0.6\n")
    write(services, BASE, train="LIMIT = 0.1\n")

    assert apply(services, SCIENTIST).action == "unchanged"


def test_a_module_that_shadows_a_library_of_the_gate_takes_an_admin(services: Services) -> None:
    apply_base(services, gate=f"import statistics\n\n{GATE}")
    write(services, BASE, gate=f"import statistics\n\n{GATE}", statistics="mean = lambda values: 1.0\n")

    refused(services, "statistics.py new")


def test_code_of_a_gate_that_an_older_release_did_not_record_takes_an_admin_once(services: Services) -> None:
    apply_base(services)
    forget_code(services)

    refused(services, "its code was never recorded")
    with pytest.raises(ConflictError, match="was never recorded: run pilothouse apply"):
        queue(services)
    apply(services, ADMIN)
    queue(services)


def forget_code(services: Services) -> None:
    """The newest specification as an older release stored it."""
    with changing(services, actor(services, ADMIN), Permission.APPLY, "demo") as change:
        stored = models.spec_in_force(change.connection, "demo")
        assert stored is not None
        fields = ("model_id", "digest", "spec", "source", "folder", "loosened", "applied_by")
        new = models.NewSpec(**{name: getattr(stored, name) for name in fields})
        models.add_spec(change.connection, new, at=change.at)
        change.record("model.updated", "demo", {"digest": new.digest})


def test_a_training_does_not_run_with_other_judging_code(services: Services) -> None:
    apply_base(services)
    job = queue(services)
    write(services, BASE, gate="def check(holdout, predictions, metrics):\n    return True, 'fine'\n")

    said = r"gates.function: gate.py:check is not as it was applied \(gate.py changed\): run pilothouse apply"
    with pytest.raises(ConflictError, match=said):
        queue(services)
    held = claim(services)
    assert held.job.id == job.id
    with pytest.raises(ConflictError, match=said):
        job_handlers.prepare(services, held)


def test_a_gate_function_whose_file_is_gone_or_a_link_is_one_line(services: Services) -> None:
    apply_base(services)
    gate = services.paths.models / "demo" / "gate.py"
    gate.rename(services.paths.root / "elsewhere.py")

    with pytest.raises(InvalidInputError, match=r"gates.function: .*gate.py is gone; expected it to define"):
        queue(services)
    gate.symlink_to(services.paths.root / "elsewhere.py")
    with pytest.raises(InvalidInputError, match="is a link or a special file"):
        queue(services)
    with pytest.raises(ModelFileError, match=r"gates.function: .*gate.py: is a link or a special file"):
        apply_models.apply(services, actor(services, ADMIN))


def test_code_that_was_applied_later_does_not_judge_for_an_earlier_file(services: Services) -> None:
    apply_base(services)
    queue(services)
    write(services, BASE, gate=GATE.replace("0.6", "0.7"))
    apply(services, ADMIN)

    with pytest.raises(ConflictError, match="is not as it was applied"):
        job_handlers.prepare(services, claim(services))


def test_the_step_of_the_gate_is_given_the_files_that_were_applied_and_no_others(services: Services) -> None:
    apply_base(
        services, changed(BASE, "training.search", None), gate=f"import rules\n{GATE}", rules="", train=""
    )
    queue(services)
    held = claim(services)

    prepared = job_handlers.prepare(services, held)

    (gate,) = (request for request in prepared.requests if request.step == "gate")
    folder = Path(gate.inputs["model_folder"])
    assert folder == job_inputs.judging_copy(services, held)
    assert sorted(path.name for path in folder.iterdir()) == ["gate.py", "rules.py"]
    (fit,) = (request for request in prepared.requests if request.step == "fit")
    assert (Path(fit.inputs["model_folder"]) / "train.py").exists()


class TestSequences:
    """Steps of which each alone looks like nothing."""

    def test_a_target_that_an_admin_removed_does_not_come_back_with_other_rows(
        self, services: Services
    ) -> None:
        apply_base(services)
        without = changed(BASE, "targets", BASE["targets"][:1])
        write(services, without)
        refused(services, "targets.jfk: gone or renamed")
        apply(services, ADMIN)
        write(services, changed(BASE, "targets.1.match", {"carrier": "AA"}))

        refused(services, "targets.jfk.match")
        write(services, BASE)
        assert apply(services, SCIENTIST).action == "update"

    def test_the_newest_rows_of_a_target_count_not_the_first_ones(self, services: Services) -> None:
        other = changed(BASE, "targets.1.match", {"carrier": "AA"})
        apply_base(services)
        apply_base(services, other)
        apply_base(services, changed(BASE, "targets", BASE["targets"][:1]))
        write(services, BASE)

        refused(services, "targets.jfk.match: { carrier = AA } → { carrier = UA }")
        write(services, other)
        assert apply(services, SCIENTIST).loosens == ()

    def test_a_renamed_target_is_one_that_is_gone(self, services: Services) -> None:
        apply_base(services)
        write(services, changed(BASE, "targets.1.name", "jfk-2"))

        refused(services, "targets.jfk: gone or renamed")

    def test_labels_of_targets_toml_that_mark_other_rows_are_another_match(self, services: Services) -> None:
        described = services.paths.root / "targets.toml"
        text = (
            '[[target]]\nname = "ewr"\nlabels = { carrier = "AA" }\n\n'
            '[[target]]\nname = "jfk"\nlabels = { carrier = "UA" }\n'
        )
        described.write_text(text)
        selected = changed(
            BASE, "targets", {"select": {"name": "*"}, "match": {"carrier": "{labels.carrier}"}}
        )
        write(services, selected)
        apply_models.apply(services, actor(services, ADMIN))
        described.write_text(text.replace('"UA"', '"AA"'))

        refused(services, "targets.jfk.match: { carrier = UA } → { carrier = AA }")

    def test_a_file_that_was_away_is_compared_with_what_is_in_force(self, services: Services) -> None:
        apply_base(services)
        folder = services.paths.models / "demo"
        shutil.rmtree(folder)
        _, missing = apply_models.apply(services, actor(services, SCIENTIST))
        assert missing.action == "missing"
        write(services, changed(BASE, "gates.metric.0.minimum", 0.1))

        refused(services, "gates.metric auc by carrier: the minimum 0.6")

    def test_the_folder_of_a_relative_source_is_part_of_it(self, services: Services) -> None:
        apply_base(services)
        elsewhere = services.paths.root / "elsewhere"
        shutil.copytree(services.paths.models, elsewhere / "models")
        shutil.copytree(services.paths.root / "data", elsewhere / "data")

        with pytest.raises(NotAllowedError, match="folder: models/demo → elsewhere/models/demo"):
            apply_models.apply(services, actor(services, SCIENTIST), elsewhere / "models")

    def test_a_schedule_that_was_added_while_people_decide_is_not_automatic_promotion(
        self, services: Services
    ) -> None:
        apply_base(services, base_of("", unattended=True))
        by_hand = changed(BASE, "automation.schedule", [{"name": "hourly", "every": "1h"}])
        write(services, by_hand)
        assert apply(services, SCIENTIST).loosens == ()
        write(services, changed(by_hand, "promotion", BASE["promotion"] | AUTOMATIC))

        refused(services, "promotion.automatic: false → true")


class TestNewModels:
    def test_a_plain_one_takes_no_admin(self, services: Services) -> None:
        write(services, BASE)

        assert apply(services, SCIENTIST).loosens == ()

    @pytest.mark.parametrize("floor", [True, False])
    def test_one_that_deploys_without_hands_takes_one_whatever_the_floor_is_now(
        self, services: Services, floor: bool
    ) -> None:
        if not floor:
            workspaces.set_workspace_policy(
                services, actor(services, ADMIN), approvals=0, four_eyes=False, allow_automatic=True
            )
        write(services, changed(BASE, "promotion", AUTOMATIC))

        refused(services, "promotion.automatic: true", "promotion.approvals: 0", "promotion.four_eyes: false")
        assert apply(services, ADMIN).action == "create"

    def test_one_whose_gates_cannot_fail_takes_one_where_nobody_looks(self, services: Services) -> None:
        blind = changed(BASE, "gates", {})
        write(services, changed(blind, "promotion", AUTOMATIC))
        refused(services, "gates: no metric and no function")
        write(services, changed(blind, "promotion", {"approvals": 1}))

        assert apply(services, SCIENTIST).action == "create"

    def test_one_beside_one_that_changes_is_refused_with_it_in_one_error(self, services: Services) -> None:
        apply_base(services)
        write(services, changed(BASE, "monitoring.silence", "90d"))
        write(services, changed(changed(BASE, "name", "second"), "promotion", AUTOMATIC))

        refused(services, "monitoring.silence: 1h → 90d (an outage is said later)", "promotion.automatic")


def test_a_plan_names_who_may_apply_it(services: Services) -> None:
    apply_base(services)
    workspaces.grant_role(services, actor(services, ADMIN), "zoe", Role.ADMIN, model="demo")
    write(services, changed(BASE, "monitoring.fire", 3))

    _, planned = apply_models.plan(services, actor(services, SCIENTIST))
    assert planned.loosens == ("monitoring.fire: 2 → 3 (an alert takes more windows)",)
    assert (planned.admins, planned.permitted) == ((ADMIN, "zoe"), False)
    _, theirs = apply_models.plan(services, actor(services, ADMIN))
    assert theirs.permitted
    with pytest.raises(NotAllowedError, match=r"that takes an admin \(eve or zoe\), and nothing was applied"):
        apply_models.apply(services, actor(services, SCIENTIST))


def test_an_override_of_the_look_back_is_still_one_of_one_training(services: Services) -> None:
    apply_base(services)

    job = trainings.start_training(
        services,
        actor(services, SCIENTIST),
        "demo",
        trainings.TrainingOptions(overrides={"data.lookback": "60d"}),
    )

    assert job.options["overrides"] == {"data.lookback": "60d"}
