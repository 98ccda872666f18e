"""Targets are described once, strictly; a model file names or selects them, and marks their rows by what they are."""

import pytest

from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats.canonical import canonical_digest
from pilothouse.domain.models.model_file import load_spec, spec_to_plain
from pilothouse.domain.models.model_spec import TargetSpec
from pilothouse.domain.models.target_file import TargetDescription, load_targets, targets_text

FILE = """
[[target]]
name = "ewr"
region = "us-east"
product = "air"
business_unit = "ops"
environment = "production"
port = 8101
labels = { tier = "gold", airport = "EWR", gates = "120" }

[[target]]
name = "lga"
region = "us-west"
environment = "production"
labels = { airport = "LGA" }

[[target]]
name = "test"
region = "eu"
environment = "staging"
"""
TARGETS = load_targets(FILE)

MODEL = """
name = "flight-delay"
task = "binary"
owner = "ops@example.org"

[data]
source = "../../data/flights.parquet"
target = "late"
timestamp = "scheduled_at"
features = ["origin", "distance"]

[training]
estimator = "sklearn.linear_model.LogisticRegression"

[targets]
"""


def chosen(text: str) -> tuple[TargetSpec, ...]:
    return load_spec(MODEL + text, "model.toml", TARGETS).targets


def names(text: str) -> list[str]:
    return [target.name for target in chosen(text)]


def faults(text: str, targets: dict[str, TargetDescription] | None = TARGETS) -> tuple[str, ...]:
    with pytest.raises(ModelFileError) as raised:
        load_spec(MODEL + text, "model.toml", targets)
    return raised.value.problems


def target_faults(old: str, new: str) -> tuple[str, ...]:
    assert old in FILE
    with pytest.raises(ModelFileError) as raised:
        load_targets(FILE.replace(old, new))
    return raised.value.problems


def test_each_target_is_described_once() -> None:
    assert list(TARGETS) == ["ewr", "lga", "test"]
    ewr = TARGETS["ewr"]
    assert (ewr.region, ewr.product, ewr.business_unit) == ("us-east", "air", "ops")
    assert (ewr.environment, ewr.port, ewr.labels["tier"]) == ("production", 8101, "gold")
    assert (TARGETS["test"].port, TARGETS["test"].labels) == (None, {})


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            'name = "lga"',
            'name = "ewr"',
            "target[1].name: 'ewr' is described twice; expected each target once",
        ),
        (
            'name = "lga"',
            'name = "L GA"',
            "target[1].name: found 'L GA'; expected 1 to 64 lower-case letters",
        ),
        ('name = "lga"', 'nme = "lga"', "target[1].nme: unknown key; did you mean name?"),
        ("port = 8101", "port = 70000", "target[0].port: found 70000; expected 1 to 65535"),
        ("port = 8101", 'port = "8101"', "target[0].port: found '8101'; expected a whole number"),
        ('region = "us-west"', "port = 8101", "target[1].port: 8101 is the port of 'ewr' too"),
        ('region = "us-west"', "grpc_port = 8101", "target[1].grpc_port: 8101 is the port of 'ewr' too"),
        (
            "port = 8101",
            "port = 8101\ngrpc_port = 8101",
            "target[0].grpc_port: 8101 is the port of 'ewr' too",
        ),
        ('region = "us-west"', "grpc_port = 0", "target[1].grpc_port: found 0; expected 1 to 65535"),
        ('region = "us-west"', 'tls_key = "k.pem"', "target[1].tls_certificate: expected tls_key with it"),
        ('tier = "gold"', "tier = 3", "target[0].labels.tier: found 3; expected a string"),
        ('tier = "gold"', '"t.r" = "gold"', "target[0].labels: found the label 't.r'; expected 1 to 64"),
        ('tier = "gold"', 'tier = ""', "target[0].labels.tier: is empty; expected a text, or no such label"),
        (
            'region = "us-west"',
            'place = "elsewhere"\ndeployer = { command = ["bring"] }',
            "target[1].deployer: found place = 'elsewhere' beside it: leave place out, for",
        ),
        (
            'region = "us-west"',
            'place = "remote"\ndeployer = { command = ["bring"] }',
            "target[1].deployer: found place = 'remote' beside it; expected one of the two",
        ),
        ("[[target]]", "[target]]", "not valid TOML"),
    ],
)
def test_each_fault_of_the_file_of_targets_has_its_line(old: str, new: str, line: str) -> None:
    problems = target_faults(old, new)
    assert any(problem.startswith(f"targets.toml: {line}") for problem in problems), problems


def test_all_faults_of_the_file_of_targets_are_told_at_once() -> None:
    assert len(target_faults('labels = { airport = "LGA" }', "port = 8101\nlabels = { a = '' }")) == 2
    with pytest.raises(ModelFileError, match="target: found none"):
        load_targets("# nothing yet\n")


def test_what_is_written_reads_as_it_was() -> None:
    odd = TargetDescription(
        "odd",
        'quo"te\\',
        "tab\t",
        "ü\x7f",
        "line\nbreak",
        1,
        2,
        "a.pem",
        "b\\.pem",
        "c",
        labels={"a": "b # c"},
    )
    assert load_targets(targets_text([*TARGETS.values(), odd])) == {**TARGETS, "odd": odd}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('names = ["lga", "ewr"]', ["lga", "ewr"]),
        ('select = { environment = "production" }', ["ewr", "lga"]),
        ('select = { region = "us-*" }', ["ewr", "lga"]),
        ('select = { region = ["us-east", "eu"] }', ["ewr", "test"]),
        ('select = { region = "us-*", name = "e*" }', ["ewr"]),
        ('select = { region = "!us-*" }', ["test"]),
        ('select = { region = ["us-*", "!us-west"] }', ["ewr"]),
        ('select = { labels.tier = "gold" }', ["ewr"]),
        ('select = { labels = { tier = "*" } }', ["ewr"]),
        ('select = { labels.tier = "!gold" }', ["lga", "test"]),
        ('select = { product = "*" }', ["ewr"]),
        ('names = ["test"]\nselect = { environment = "production" }', ["test", "ewr", "lga"]),
        ('select = { name = "*" }', ["ewr", "lga", "test"]),
    ],
)
def test_targets_are_named_or_selected(text: str, expected: list[str]) -> None:
    assert names(text) == expected


def test_what_marks_a_targets_rows_is_filled_in_from_the_target() -> None:
    text = 'names = ["ewr"]\nmatch = {{ origin = "{}", kept = 3, open = true }}\n'
    for pattern, value in (
        ("{name:upper}", "EWR"),
        ("{labels.airport}", "EWR"),
        ("{region}/{labels.tier}", "us-east/gold"),
        ("{{name}} {name}", "{name} ewr"),
        ("{labels.gates:number}", 120),
    ):
        (target,) = chosen(text.format(pattern))
        assert target.match == {"origin": value, "kept": 3, "open": True}


def test_a_selection_is_stored_as_the_targets_that_it_stands_for() -> None:
    selected = load_spec(
        MODEL + 'select = { region = "us-*" }\nmatch = { origin = "{labels.airport}" }', "model.toml", TARGETS
    )
    listed = load_spec(
        MODEL.replace("[targets]", "")
        + '[[targets]]\nname = "ewr"\nmatch = { origin = "EWR" }\n'
        + '[[targets]]\nname = "lga"\nmatch = { origin = "LGA" }\n',
        "model.toml",
    )
    assert selected == listed
    assert canonical_digest(spec_to_plain(selected)) == canonical_digest(spec_to_plain(listed))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "targets: expected names or select, e.g. select ="),
        ('names = ["lag"]', "targets.names[0]: 'lag' is not in targets.toml; did you mean lga?"),
        ('names = ["ewr", "ewr"]', "targets.names: 'ewr' is named twice; expected each target once"),
        ('select = { region = "asia" }', "targets.select: fits none of the 3 targets of targets.toml"),
        ('select = { regoin = "eu" }', "targets.select.regoin: unknown key; expected one of name, region,"),
        ("select = { region = 3 }", "targets.select.region: found 3; expected a text or an array of texts"),
        ('select = { region = ["eu", "!"] }', "targets.select.region: found ['eu', '!']; expected a text or"),
        ("select = { labels.tier = [] }", "targets.select.labels.tier: found []; expected a text or"),
        ('match = { origin = "{name}" }', "targets: expected names or select"),
        ('nmes = ["ewr"]', "targets.nmes: unknown key; did you mean names?"),
        (
            'names = ["lga"]\nmatch = { origin = "{labels.tier}" }',
            "targets.match.origin: {labels.tier}: lga has no label tier in targets.toml",
        ),
        (
            'names = ["lga"]\nmatch = { origin = "{product}" }',
            "targets.match.origin: {product}: lga has no product in targets.toml",
        ),
        (
            'names = ["lga"]\nmatch = { origin = "{nme}" }',
            "targets.match.origin: {nme}: expected one of name, region, product, business_unit, environment,",
        ),
        ('names = ["lga"]\nmatch = { origin = "{name" }', "targets.match.origin: '{name' has a single '{'"),
        (
            'names = ["lga"]\nmatch = { origin = "{name:lower}" }',
            "targets.match.origin: {name:lower}: expected {name}, {name:upper} or, by itself, {name:number}",
        ),
        (
            'names = ["lga"]\nmatch = { origin = "{name:number}" }',
            "targets.match.origin: {name:number}: found 'lga' for lga; expected a number",
        ),
    ],
)
def test_each_fault_of_a_selection_has_its_line(text: str, line: str) -> None:
    problems = faults(text)
    assert any(problem.startswith(f"model.toml: {line}") for problem in problems), problems


def test_faults_of_a_selection_are_told_with_the_others() -> None:
    both = faults('names = ["lag", "nowhere"]\n[monitoring]\nof = 1\nsilence = 60\n')
    assert len(both) == 4
    (fault,) = faults('names = ["ewr"]', None)
    assert "which is not there" in fault


def test_a_fault_that_all_selected_targets_share_is_told_once() -> None:
    text = MODEL.replace('features = ["origin", "distance"]', 'features = ["distance"]\nprivate = ["origin"]')
    with pytest.raises(ModelFileError) as raised:
        load_spec(text + 'select = { name = "*" }\nmatch = { origin = "x" }', "model.toml", TARGETS)
    assert raised.value.problems == (
        "model.toml: data.private: 'origin' is in targets.match too; expected in one of the two",
    )
