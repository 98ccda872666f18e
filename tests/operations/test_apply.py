"""Applying model files: what changes, what is refused, who may."""

import gzip
import re
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError, ModelFileError, NotAllowedError
from pilothouse.operations import catalogue
from pilothouse.operations.automation import schedules
from pilothouse.operations.fleet import targets
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models, audits
from pilothouse.sqlite.connection import driver
from support.job_workspace import (
    ADMIN,
    APPROVER,
    MODEL,
    SCIENTIST,
    actor,
    applied,
    make_workspace,
    write_model,
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return make_workspace(tmp_path)


def problems(services: Services, text: str) -> tuple[str, ...]:
    write_model(services.paths.root, text)
    with pytest.raises(ModelFileError) as refused:
        apply_models.apply(services, actor(services, SCIENTIST))
    return refused.value.problems


def test_a_plan_shows_what_applying_would_do_and_changes_nothing(services: Services) -> None:
    planned = apply_models.plan(services, actor(services, SCIENTIST))

    assert [(change.model, change.action) for change in planned] == [("demo", "create")]
    assert catalogue.list_models(services, actor(services, SCIENTIST)) == []


def test_applying_registers_model_targets_and_schedules_with_an_audit_row(services: Services) -> None:
    write_model(
        services.paths.root, MODEL + '\n[[automation.schedule]]\nname = "weekly"\ncron = "0 3 * * mon"\n'
    )

    apply_models.apply(services, actor(services, SCIENTIST))

    model = catalogue.get_model(services, actor(services, SCIENTIST), "demo")
    assert (model.targets, model.folder, model.task) == (("ewr", "jfk"), "models/demo", "binary")
    found = targets.list_targets(services, actor(services, SCIENTIST))
    assert [(target.name, target.region) for target in found] == [("ewr", "us-east"), ("jfk", "")]
    assert [s.name for s in schedules.list_schedules(services, actor(services, SCIENTIST))] == ["weekly"]
    newest = audits.show(services, actor(services, ADMIN), limit=1)[0]
    assert (newest.actor, newest.action, newest.subject) == (SCIENTIST, "model.created", "demo")


def test_unchanged_files_change_nothing(services: Services) -> None:
    apply_models.apply(services, actor(services, SCIENTIST))
    before = audits.head(services, actor(services, ADMIN))
    write_model(services.paths.root, "# a remark\n" + MODEL)

    again = apply_models.apply(services, actor(services, SCIENTIST))

    assert [change.action for change in again] == ["unchanged"]
    assert audits.head(services, actor(services, ADMIN)) == before


def test_a_key_by_its_earlier_name_is_the_same_key(services: Services) -> None:
    write_model(services.paths.root, MODEL.replace("outcome_delay", "truth_delay"))
    apply_models.apply(services, actor(services, SCIENTIST))
    write_model(services.paths.root, MODEL)

    assert [change.action for change in apply_models.plan(services, actor(services, ADMIN))] == ["unchanged"]

    write_model(services.paths.root, MODEL.replace('outcome_delay = "1d"', 'outcome_delay = "2d"'))
    (change,) = apply_models.plan(services, actor(services, SCIENTIST))
    assert change.differences == ("data.outcome_delay: 1d → 2d",)


def test_an_update_names_each_difference(services: Services) -> None:
    apply_models.apply(services, actor(services, SCIENTIST))
    write_model(
        services.paths.root,
        MODEL.replace("seed = 7", "seed = 8").replace('holdout = "14d"', 'holdout = "21d"'),
    )

    (change,) = apply_models.apply(services, actor(services, ADMIN))

    assert change.action == "update"
    assert set(change.differences) == {"training.seed: 7 → 8", "data.holdout: 2w → 3w"}
    spec = catalogue.get_spec(services, actor(services, SCIENTIST), "demo")
    assert (spec.training.seed, spec.data.holdout) == (8, 21 * 86_400)


@pytest.mark.parametrize(
    ("name", "before", "after", "value"),
    [("C", "1", "1.0", 1.0), ("tol", "1.0", "1", 1), ("dual", "0", "false", False)],
)
def test_a_parameter_of_another_type_is_another_one(
    services: Services, name: str, before: str, after: str, value: float | bool
) -> None:
    for text in (before, after):
        write_model(services.paths.root, MODEL.replace("C = 1.0", f"{name} = {text}"))
        (change,) = apply_models.apply(services, actor(services, SCIENTIST))

    assert change.differences == (f"training.parameters.{name}: {before} → {after}",)
    kept = catalogue.get_spec(services, actor(services, SCIENTIST), "demo").training.parameters[name]
    assert (kept, type(kept)) == (value, type(value))


def test_a_schedule_with_a_day_of_the_month_and_a_weekday_is_named(services: Services) -> None:
    either, weekly = (
        f'\n[[automation.schedule]]\nname = "{name}"\ncron = "{cron}"\n'
        for name, cron in (("odd", "0 0 13 * fri"), ("weekly", "0 3 * * mon"))
    )
    write_model(services.paths.root, MODEL + either + weekly)

    made, again = (apply_models.apply(services, actor(services, SCIENTIST))[0] for _ in range(2))

    assert (made.action, again.action) == ("create", "unchanged")
    assert made.notes == again.notes
    assert made.notes == (
        "schedule odd: '0 0 13 * fri' fires on the day of the month 13 and on the weekday fri, either "
        "(both had to fit before)",
        "ewr, jfk are described here and not in targets.toml: pilothouse targets --write adds them",
    )


def test_a_fault_in_one_file_applies_none(services: Services) -> None:
    other = MODEL.replace('name = "demo"', 'name = "other"').replace("distance", "distnace")
    write_model(services.paths.root, other, "other")

    with pytest.raises(ModelFileError) as refused:
        apply_models.apply(services, actor(services, SCIENTIST))

    assert refused.value.problems == (
        "models/other/model.toml:10: data.features: found 'distnace', which is no column of rows.parquet; "
        "it has at, distance, carrier, late",
    )
    assert catalogue.list_models(services, actor(services, SCIENTIST)) == []


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('name = "demo"', 'name = "other"', "name: found 'other' in the folder 'demo'"),
        ('target = "late"', 'target = "lat"', "data.target: found 'lat', which is no column of rows.parquet"),
        ('categoricals = ["carrier"]', "categoricals = []", "data.features: 'carrier' holds text"),
        ("rows.parquet", "none.parquet", "none.parquet does not exist; expected a file"),
        ("rows.parquet", "../state/registry.db", "lies in the workspace's state folder"),
        ("seed = 7", "sed = 7", "training.sed: unknown key; did you mean seed?"),
        (
            'target = "late"',
            'target = "late"\ntimezone = "Mars/Olympus"',
            "data.timezone: found 'Mars/Olympus'",
        ),
        (
            'target = "late"',
            'target = "late"\ntimezone = "../zone"',
            "data.timezone: found '../zone'; expected",
        ),
        (
            'estimator = "sklearn.linear_model.LogisticRegression"',
            'function = "train.py:fit"',
            "training.function: train.py is not beside model.toml",
        ),
    ],
)
def test_each_fault_is_one_line_with_file_and_key(services: Services, old: str, new: str, line: str) -> None:
    found = problems(services, MODEL.replace(old, new))

    named = re.compile(r"models/demo/model\.toml:\d+: " if new.strip() else r"models/demo/model\.toml: ")
    assert any(named.match(problem) and line in problem for problem in found), found
    assert all("\n" not in problem for problem in found)


def test_the_functions_of_a_model_are_looked_for_without_running_them(services: Services) -> None:
    text = MODEL.replace("[gates.data]", '[gates]\nfunction = "gate.py:check"\n\n[gates.data]')
    trap = services.paths.root / "ran"
    gate = services.paths.models / "demo" / "gate.py"
    gate.write_text(f"open({str(trap)!r}, 'w')\ndef other(): ...\n")

    assert "gates.function: gate.py defines no function 'check'" in problems(services, text)[0]
    gate.write_text("def check(:\n")
    assert "gates.function: gate.py is not valid Python" in problems(services, text)[0]
    assert not trap.exists()


def test_csv_headers_are_checked_too(services: Services) -> None:
    data = services.paths.root / "data" / "dated"
    data.mkdir()
    with gzip.open(data / "2013-01.csv.gz", "wt") as stream:
        stream.write("at,distance,late\n2013-01-01,1,0\n")

    found = problems(services, MODEL.replace("data/rows.parquet", "data/dated"))

    assert "'carrier', which is no column of 2013-01.csv.gz; it has at, distance, late" in found[0]


def test_a_csv_without_a_header_gets_one_line(services: Services) -> None:
    (services.paths.root / "data" / "bare.csv").write_text("2013-01-01,1,AA,0\n2013-01-02,2,B6,1\n")

    (line,) = problems(services, MODEL.replace("rows.parquet", "bare.csv"))

    assert "data.source: bare.csv has none of the columns that are named; expected a first line" in line


@pytest.mark.parametrize(
    ("query", "line"),
    [
        (
            "SELECT at, late, carrier FROM rows",
            "data.features: found 'distance', which is no column of rows.db",
        ),
        ("SELEC * FROM rows", 'data.query: near \\"SELEC\\": syntax error; expected one SELECT on rows.db'),
        ("DELETE FROM rows", "data.query: not authorized; expected one SELECT"),
        ("ATTACH 'other.db' AS o", "data.query: not authorized; expected one SELECT"),
        ("SELECT 1; DROP TABLE rows", "one statement at a time"),
        ("SELECT 1) UNION SELECT (2", "data.query: near"),
    ],
)
def test_a_query_is_checked_before_it_is_run(services: Services, query: str, line: str) -> None:
    path = services.paths.root / "data" / "rows.db"
    connection = driver.connect(path)
    connection.execute("CREATE TABLE rows (at, distance, carrier, late)")
    connection.close()
    named = f'source = "sqlite:../../data/rows.db"\nquery = "{query}"'

    found = problems(services, MODEL.replace('source = "../../data/rows.parquet"', named))

    assert line.replace('\\"', '"') in found[0]


def test_naive_times_need_a_zone(services: Services) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = services.paths.root / "data" / "rows.parquet"
    table = pq.read_table(path)
    pq.write_table(table.set_column(0, "at", table["at"].cast(pa.timestamp("us"))), path)

    assert "data.timezone: missing, and 'at' carries no zone" in problems(services, MODEL)[0]


def test_a_loosened_gate_needs_an_admin_and_applies_with_one(tmp_path: Path) -> None:
    services = applied(tmp_path)
    write_model(tmp_path, MODEL.replace("minimum = 0.6", "minimum = 0.5"))

    (planned,) = apply_models.plan(services, actor(services, SCIENTIST))
    assert planned.loosens
    with pytest.raises(
        NotAllowedError, match=r"ann may not loosen [^\n]*\ndemo: it loosens gates\.metric auc"
    ):
        apply_models.apply(services, actor(services, SCIENTIST))
    assert catalogue.get_spec(services, actor(services, SCIENTIST), "demo").gates.metric[0].minimum == 0.6

    apply_models.apply(services, actor(services, ADMIN))
    assert catalogue.get_spec(services, actor(services, SCIENTIST), "demo").gates.metric[0].minimum == 0.5


def test_tightening_needs_no_admin(tmp_path: Path) -> None:
    services = applied(tmp_path)
    write_model(tmp_path, MODEL.replace("minimum = 0.6", "minimum = 0.65"))

    (change,) = apply_models.apply(services, actor(services, SCIENTIST))

    assert (change.action, change.loosens) == ("update", ())


def test_whoever_may_not_apply_changes_nothing(services: Services) -> None:
    with pytest.raises(NotAllowedError, match="data-scientist"):
        apply_models.apply(services, actor(services, APPROVER))
    assert catalogue.list_models(services, actor(services, APPROVER)) == []


def test_a_model_whose_file_is_gone_is_reported_and_stays(tmp_path: Path) -> None:
    services = applied(tmp_path)
    (tmp_path / "models" / "demo" / "model.toml").unlink()

    (change,) = apply_models.apply(services, actor(services, SCIENTIST))

    assert change.action == "missing"
    assert [m.name for m in catalogue.list_models(services, actor(services, SCIENTIST))] == ["demo"]


def test_models_of_another_folder_are_none_of_this_ones_business(tmp_path: Path) -> None:
    services = applied(tmp_path)
    other = tmp_path / "elsewhere" / "models" / "other"
    other.mkdir(parents=True)
    text = MODEL.replace('name = "demo"', 'name = "other"').replace("../../data", str(tmp_path / "data"))
    (other / "model.toml").write_text(text)

    (change,) = apply_models.apply(services, actor(services, SCIENTIST), other.parent)

    assert (change.model, change.action) == ("other", "create")
    assert (
        catalogue.get_model(services, actor(services, SCIENTIST), "other").folder == "elsewhere/models/other"
    )


def test_two_models_must_say_the_same_of_a_target(services: Services) -> None:
    text = MODEL.replace('name = "demo"', 'name = "other"').replace("us-east", "eu-west")
    write_model(services.paths.root, text, "other")

    with pytest.raises(
        ModelFileError, match=r"targets\[0\]\.region: found 'eu-west' for 'ewr'; expected 'us-east'"
    ):
        apply_models.apply(services, actor(services, SCIENTIST))


def test_a_folder_that_is_none_is_refused(services: Services, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is not a folder"):
        apply_models.plan(services, actor(services, SCIENTIST), tmp_path / "nowhere")
