"""Fuzzing of what a person writes: model files, targets, the console's keys, skins and plugins."""

import tomllib
from random import Random
from typing import Any

from pilothouse.console.session import config
from pilothouse.console.session.views import VIEWS
from pilothouse.domain.errors import ModelFileError
from pilothouse.domain.formats.toml_lines import with_lines
from pilothouse.domain.models.dataclass_reader import format_duration, parse_duration
from pilothouse.domain.models.model_file import load_spec, read_spec, spec_from_plain, spec_to_plain
from pilothouse.domain.models.target_file import load_targets, targets_text
from support.fuzzing import changed, fuzz, text_like, value

MODEL = """
name = "flight-delay"
task = "binary"
owner = "ops@example.org"

[data]
source = "../../data/flights.parquet"
target = "late"
timestamp = "scheduled_at"
features = ["origin", "distance", "temp"]
categoricals = ["origin"]
slices = ["origin"]
outcome_delay = "1d"
lookback = "90d"
csv = { delimiter = ";", decimal = ",", encoding = "latin-1" }

[training]
estimator = "sklearn.ensemble.HistGradientBoostingClassifier"
parameters = { max_iter = 60, learning_rate = 0.1 }
seed = 7

[training.search]
candidates = 4
parameters = { max_depth = [2, 3], max_iter = [50, 100] }

[[gates.metric]]
metric = "auc"
minimum = 0.62

[gates.comparison]
metric = "auc"
confidence = 0.95

[monitoring]
window = "7d"
silence = "1d"
false_alarm_rate = 0.01

[promotion]
approvals = 2

[[targets]]
name = "ewr"
match = { origin = "EWR" }

[[automation.schedule]]
name = "nightly"
cron = "0 3 * * mon"
timezone = "Europe/Berlin"

[[automation.trigger]]
name = "drifted"
on = "data"
"""
SELECTING = """
name = "a"
task = "regression"
owner = "o"
[data]
source = "a.csv"
target = "y"
timestamp = "t"
features = ["x"]
[training]
function = "train.py:fit"
[targets]
names = ["ewr"]
select = { region = ["eu", "!us-*"], labels = { tier = "gold" } }
match = { place = "{name}-{labels.tier}" }
"""
TARGETS = """
[[target]]
name = "ewr"
region = "eu"
environment = "production"
port = 8080
labels = { tier = "gold", team = "a" }

[[target]]
name = "jfk"
"""
CONSOLE = """
skin = "mine"
lean = "auto"
clipboard = true

[keys]
"everywhere.filter" = "f5"
"models.train" = ["x", "ctrl+x"]

[aliases]
mod = "models"

[skins.mine]
good = "bold green"
bad = "#d08770"

[plugins.logs]
key = "f7"
command = ["less", "$MODEL", "--target=$TARGET"]
description = "Read logs"
scopes = ["models"]
confirm = false
run = "pager"
"""
DESCRIBED = load_targets(TARGETS)


def read_model(text: str) -> None:
    spec, problems = read_spec(text, "model.toml", DESCRIBED)
    list(with_lines(problems, text, "model.toml"))
    if problems:
        raise ModelFileError(problems)
    assert spec is not None
    assert spec_from_plain(spec_to_plain(spec)) == spec


def read_targets(text: str) -> None:
    read = load_targets(text)
    assert load_targets(targets_text(read.values())) == read


def read_plugin(values: dict[str, str]) -> None:
    plugin = config.parse(CONSOLE).plugins[0]
    argv = plugin.argv(values)
    assert len(argv) == 3
    assert argv[0] == "less"
    assert not argv[1].startswith("-")
    assert argv[2].startswith("--target=")
    assert not any("\0" in part for part in argv)


def read_console(text: str) -> None:
    read = config.parse(text)
    for plugin in read.plugins:
        assert set(plugin.scopes) <= VIEWS.keys()


def plain_model(random: Random) -> Any:
    return changed(random, tomllib.loads(MODEL), lambda r: value(r, of_json=True))


def test_the_seeds_are_valid() -> None:
    for text in (MODEL, SELECTING):
        read_model(text)
    read_targets(TARGETS)
    assert load_spec(MODEL, "model.toml").name == "flight-delay"
    assert set(DESCRIBED) == {"ewr", "jfk"}
    read_console(CONSOLE)
    read_plugin({"MODEL": "a", "TARGET": "b"})


def test_model_files() -> None:
    fuzz("model file", lambda random: text_like(random, (MODEL, MODEL, SELECTING)), read_model)


def test_stored_specifications() -> None:
    fuzz("specification", plain_model, lambda plain: spec_to_plain(spec_from_plain(plain)))


def test_files_of_targets() -> None:
    fuzz("targets", lambda random: text_like(random, (TARGETS,)), read_targets)


def test_files_of_the_console() -> None:
    fuzz("console.toml", lambda random: text_like(random, (CONSOLE,)), read_console)


def test_keymaps() -> None:
    seeds = [f"[keys]\n{line}" for line in CONSOLE.split("\n") if "." in line and "=" in line]
    fuzz(
        "keymap",
        lambda random: text_like(random, (*seeds, '[keys]\n"everywhere.filter" = ["a", "b"]')),
        read_console,
    )


def test_skins() -> None:
    seeds = (
        'skin = "a"\n[skins.a]\ngood = "bold green"\nbad = "#d08770 on rgb(1,2,3)"',
        '[skins.b]\nbad = "not underline"',
    )
    fuzz("skin", lambda random: text_like(random, seeds), read_console)


def test_plugins() -> None:
    fuzz("plugins", lambda random: text_like(random, (CONSOLE[CONSOLE.index("[plugins") :],)), read_console)


def test_values_of_plugins() -> None:
    def draw(random: Random) -> dict[str, str]:
        return {name: text_like(random, ("a", "flight/3", "-x")) for name in ("MODEL", "TARGET")}

    fuzz("plugin's values", draw, read_plugin)


def test_durations() -> None:
    def read(text: str) -> None:
        assert parse_duration(format_duration(parse_duration(text))) == parse_duration(text)

    fuzz("duration", lambda random: text_like(random, ("90d", "6h", "30s", "2w")), read)
