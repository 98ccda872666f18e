"""``apply --plan`` finds everything that a training would refuse, all at once, each in one line with its remedy."""

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.operations.services import Services
from pilothouse.operations.workspace import apply_models
from pilothouse.operations.workspace.apply_models import PlannedChange
from support.job_workspace import MODEL, SCIENTIST, actor, make_workspace, write_model

CSV = MODEL.replace("rows.parquet", "rows.csv").replace(
    'holdout = "14d"', 'holdout = "14d"\ntimezone = "UTC"'
)


@pytest.fixture
def services(tmp_path: Path) -> Services:
    return make_workspace(tmp_path)


def write_csv(services: Services, *changes: tuple[int, str, str], rows: int = 100) -> None:
    """A hundred days; ``changes`` replace the value of a column in a row."""
    lines = {
        row: {
            "at": f"2013-{1 + row // 28:02}-{1 + row % 28:02} 10:00:00",
            "distance": f"{row}.5",
            "carrier": "AA" if row % 2 else "UA",
            "late": str(row % 2),
        }
        for row in range(rows)
    }
    for row, column, value in changes:
        lines[row][column] = value
    text = "at,distance,carrier,late\n" + "".join(",".join(line.values()) + "\n" for line in lines.values())
    (services.paths.root / "data" / "rows.csv").write_text(text)


def faults(services: Services, text: str) -> list[str]:
    """Faults of a plan, without the file's name and line."""
    write_model(services.paths.root, text)
    with pytest.raises(ModelFileError) as refused:
        apply_models.plan(services, actor(services, SCIENTIST))
    assert all("\n" not in problem for problem in refused.value.problems)
    return [re.sub(r"^models/demo/model\.toml(:\d+)?: ", "", problem) for problem in refused.value.problems]


def planned(services: Services, text: str) -> PlannedChange:
    write_model(services.paths.root, text)
    (change,) = apply_models.plan(services, actor(services, SCIENTIST))
    return change


def test_everything_is_told_at_once_with_line_and_remedy(services: Services) -> None:
    write_csv(
        services, (3, "distance", "far"), (5, "at", "soon"), *((row, "late", "0") for row in range(100))
    )
    text = CSV.replace("C = 1.0", 'C = -1.0\nmax_itr = 5\npenalty = "l9"').replace('["carrier"]', "[]", 1)
    write_model(services.paths.root, text)
    with pytest.raises(ModelFileError) as refused:
        apply_models.plan(services, actor(services, SCIENTIST))

    lines = text.splitlines()
    found = {}
    for problem in refused.value.problems:
        place = re.match(r"models/demo/model\.toml:(\d+): ([\w.]+): (.*)$", problem)
        assert place is not None, problem
        found.setdefault(place[2], []).append((lines[int(place[1]) - 1], place[3]))
    assert {key: line for key, ((line, _), *_) in found.items()} == {
        "data.features": 'features = ["distance", "carrier"]',
        "data.timestamp": 'timestamp = "at"',
        "training.parameters.max_itr": "max_itr = 5",
        "training.parameters.C": "C = -1.0",
        "training.parameters.penalty": 'penalty = "l9"',
    }
    assert [text for _, text in found["data.features"]] == [
        "'distance' holds text (rows.csv, row 4: found 'far'; expected a number); "
        "list it under data.categoricals too, or the word under data.missing",
        "'carrier' holds text (rows.csv, row 1: found 'UA'; expected a number); "
        "list it under data.categoricals too, or the word under data.missing",
    ]
    assert found["data.timestamp"][0][1].startswith(
        "rows.csv, row 6: found 'soon' in 'at'; expected a time as"
    )
    assert found["training.parameters.max_itr"][0][1].endswith("did you mean max_iter?")


def test_what_a_plan_refuses_is_not_looked_for_in_a_file_that_is_in_force(services: Services) -> None:
    write_csv(services)
    write_model(services.paths.root, CSV)
    apply_models.apply(services, actor(services, SCIENTIST))
    write_csv(services, (3, "distance", "far"))
    assert planned(services, CSV).action == "unchanged"
    assert "data.features" in faults(services, CSV.replace("seed = 7", "seed = 8"))[0]


def test_good_files_have_no_fault(services: Services) -> None:
    write_csv(services, (3, "distance", ""), (4, "carrier", "NA"), (5, "late", ""))
    assert planned(services, CSV).action == "create"
    assert planned(services, MODEL).action == "create"
    decimal = (services.paths.root / "data" / "rows.csv").read_text().replace(",", ";").replace(".5", ",5")
    (services.paths.root / "data" / "rows.csv").write_text(decimal)
    assert planned(services, CSV).action == "create"


@pytest.mark.parametrize(
    ("old", "new", "changes", "words"),
    [
        (
            "",
            "",
            [(row, "late", "1") for row in range(100)],
            "data.target: 'late' is '1' in all 100 rows that have it; expected two values or more: name another column",
        ),
        (
            "",
            "",
            [(row, "late", "") for row in range(100)],
            "data.target: 'late' is missing in all 100 rows; expected outcomes",
        ),
        (
            "",
            "",
            [(7, "late", "2"), (8, "late", "x")],
            "data.target: 'late' has 4 values ('0', '1', '2', 'x'); expected two for a binary task: set task = ",
        ),
        (
            'task = "binary"',
            'task = "regression"',
            [(7, "late", "x")],
            "data.target: rows.csv, row 8: found 'x' in 'late'; expected a number for a regression; set task = ",
        ),
        (
            'task = "binary"',
            'task = "regression"',
            [(row, "late", "5") for row in range(100)],
            "data.target: 'late' is '5.0' in all 100 rows",
        ),
        (
            'timezone = "UTC"\n',
            "",
            [],
            "data.timezone: missing, and 'at' carries no zone (rows.csv); expected the zone that its times are in",
        ),
        ("", "", [(9, "at", "")], "data.timestamp: 1 of 100 rows have no 'at'; expected a time in each"),
        (
            'holdout = "14d"',
            'holdout = "400d"',
            [],
            "data.holdout: found 400d, in which all 100 rows lie (2013-01-01 10:00 to 2013-04-16 10:00); "
            "expected older rows to train on: a fifth of the time would be '3w'",
        ),
        (
            'holdout = "14d"',
            'holdout = "30d"',
            [(row, "late", "0") for row in range(80)],
            "data.holdout: found 30d, before which 'late' has one class only; expected two or more",
        ),
        (
            "LogisticRegression",
            "LogisticRegresion",
            [],
            "training.estimator: sklearn.linear_model has no 'LogisticRegresion'; did you mean LogisticRegression?",
        ),
        (
            "linear_model.LogisticRegression",
            "linaer.Ridge",
            [],
            "scikit-learn has no module 'sklearn.linaer'",
        ),
        ("LogisticRegression", "Ridge", [], "Ridge is no classifier, which a binary task needs"),
        ("linear_model.LogisticRegression", "svm.LinearSVC", [], "LinearSVC gives no probabilities"),
        (
            "[gates.data]",
            "[training.search]\nparameters = { C = [1.0, -1.0], D = [1] }\n\n[gates.data]",
            [],
            "training.search.parameters.D: LogisticRegression has no such parameter",
        ),
        (
            "[gates.data]",
            "[training.search]\nparameters = { C = [1.0, -1.0] }\n\n[gates.data]",
            [],
            "training.search.parameters.C: The 'C' parameter",
        ),
        (
            "[gates.data]",
            '[training.preprocessing]\ncategories = "native"\n\n[gates.data]',
            [],
            "training.preprocessing.categories: LogisticRegression knows no categories; expected",
        ),
        (
            "[gates.data]",
            '[training.preprocessing]\ncategories = "onehot"\n\n[gates.data]',
            [],
            "training.preprocessing.categories: found 'onehot'; expected one of 'auto', 'native', 'ordinal', 'one-hot'",
        ),
    ],
)
def test_each_thing_that_a_training_refuses_is_found_before(
    services: Services, old: str, new: str, changes: list[tuple[int, str, str]], words: str
) -> None:
    write_csv(services, *changes)
    if words.startswith("data.timezone"):
        write_csv(services)
    found = faults(services, CSV.replace(old, new, 1) if old else CSV)
    assert any(words in fault for fault in found), found


def test_a_file_that_lacks_a_column_or_has_no_rows_is_found(services: Services) -> None:
    folder = services.paths.root / "data" / "dated"
    folder.mkdir()
    write_csv(services, rows=0)
    assert "data.source: holds no rows; expected some to train on" in faults(services, CSV)
    write_csv(services)
    (services.paths.root / "data" / "rows.csv").rename(folder / "2.csv")
    (folder / "1.csv").write_text("at,distance,carrier,late\n2013-01-01,many,AA,1\n")
    (found,) = faults(services, CSV.replace("data/rows.csv", "data/dated"))
    assert "1.csv, row 1: found 'many'" in found


def test_windows_that_would_hold_too_few_rows_are_noted_for_each_target(services: Services) -> None:
    write_csv(services)
    text = CSV.replace('name = "jfk"', 'name = "jfk"\nmatch = { carrier = "UA" }')
    notes = planned(services, text).notes
    assert (
        "monitoring.minimum_rows: on jfk a window of 7 d will hold about 3 rows of the 300 that a verdict needs: "
        "even 8 windows together are too few for any verdict"
    ) in notes


def test_a_match_on_a_number_counts_its_rows(services: Services) -> None:
    write_csv(services, *((row, "distance", "7") for row in range(0, 100, 2)))
    text = CSV.replace('name = "jfk"', 'name = "jfk"\nmatch = { distance = 7 }')
    assert any(
        "on jfk a window of 7 d will hold about 3 rows" in note for note in planned(services, text).notes
    )
    wrong = text.replace("distance = 7", 'distance = "far"')
    assert not any("on jfk" in note for note in planned(services, wrong).notes)


def test_a_word_for_missing_that_looks_like_a_value_is_named(services: Services) -> None:
    write_csv(services, *((row, "carrier", "NA") for row in range(0, 100, 3)))
    note = (
        "data.missing: 'carrier' is taken for missing where it is 'NA', in 34 of 100 rows, as often as a category: if it is "
        "one, name the words for missing without it, e.g. missing = []"
    )
    assert note in planned(services, CSV).notes
    assert note in apply_models.apply(services, actor(services, SCIENTIST))[0].notes
    assert note not in planned(services, CSV.replace("[training]", "missing = []\n\n[training]")).notes
    write_csv(services, *((row, "carrier", "nan") for row in range(0, 100, 3)))
    assert not any(
        "data.missing" in note for note in planned(services, CSV.replace("seed = 7", "seed = 8")).notes
    )


def test_a_query_is_not_run_for_a_plan(services: Services) -> None:
    from pilothouse.sqlite.connection import driver

    connection = driver.connect(services.paths.root / "data" / "rows.db")
    connection.execute("CREATE TABLE rows (at, distance, carrier, late)")
    connection.close()
    named = 'source = "sqlite:../../data/rows.db"\nquery = "SELECT * FROM rows"'
    change = planned(services, CSV.replace('source = "../../data/rows.csv"', named))
    assert change.action == "create"


def test_only_the_first_rows_of_a_large_source_are_looked_at(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pilothouse.operations.workspace.file_reading.MOST_ROWS", 50)
    path = services.paths.root / "data" / "rows.parquet"
    table = pq.read_table(path)
    folder = services.paths.root / "data" / "many"
    folder.mkdir()
    for number in (1, 2):
        pq.write_table(table, folder / f"{number}.parquet")
    notes = planned(services, MODEL.replace("data/rows.parquet", "data/many")).notes
    assert "data.source: its first 100 rows were looked at" in notes


def test_rows_of_which_no_outcome_is_known_yet_are_refused_as_by_a_training(services: Services) -> None:
    write_csv(services)
    file = services.paths.root / "data" / "rows.csv"
    past = file.read_text()
    file.write_text(past.replace("2013-", "9013-"))
    assert faults(services, CSV) == [
        "data: no row of the source has an outcome that is known yet: the oldest is of 9013-01-01 10:00 and its outcome is "
        "known 1d later; expected some before now: see data.outcome_delay and the times in the source"
    ]
    file.write_text(past)
    late = CSV.replace('outcome_delay = "1d"', 'outcome_delay = "5200w"')
    assert "2013-01-01 10:00 and its outcome is known 5200w later" in faults(services, late)[0]

    file.write_text(past + past.partition("\n")[2].replace("2013-", "9013-"))
    assert planned(services, CSV).action == "create", "the rows before now are what a training takes"
