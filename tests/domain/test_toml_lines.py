"""Lines of the keys of a TOML text."""

from pilothouse.domain.formats.toml_lines import key_lines, with_lines

TEXT = """\
name = "demo"  # = [
'quoted key' = 1

[data]
features = [
    "a = 1",  # ]
    "[data]",
]
target = "late"
more = { inner = [1, 2] }

[ gates . "metric" ]
x = 1
[[targets]]
name = "a"
[[targets]]
region = "b"
"""


def test_keys_and_tables_have_their_lines() -> None:
    assert key_lines(TEXT) == {
        "name": 1,
        "quoted key": 2,
        "data": 4,
        "data.features": 5,
        "data.target": 9,
        "data.more": 10,
        "gates.metric": 12,
        "gates.metric.x": 13,
        "targets[0]": 14,
        "targets[0].name": 15,
        "targets[1]": 16,
        "targets[1].region": 17,
    }


def test_faults_get_the_line_of_their_key_or_of_the_table_that_should_have_it() -> None:
    problems = [
        "m.toml: data.target: found 'x'",
        "m.toml: data.timezone: missing",
        "m.toml: targets[1].name: found ''",
        "m.toml: data.more.inner: found 5",
        "m.toml: training: expected one",
        "m.toml: not valid TOML: Expected '=' (at line 3, column 4)",
        "other.toml: data.target: found 'x'",
    ]
    assert list(with_lines(problems, TEXT, "m.toml")) == [
        "m.toml:9: data.target: found 'x'",
        "m.toml:4: data.timezone: missing",
        "m.toml:16: targets[1].name: found ''",
        "m.toml:10: data.more.inner: found 5",
        "m.toml: training: expected one",
        "m.toml: not valid TOML: Expected '=' (at line 3, column 4)",
        "other.toml: data.target: found 'x'",
    ]
