"""The reader's own configuration: what it changes, and how its faults are told."""

from pathlib import Path

import pytest
from test_approval_by_keyboard import footer

from pilothouse.console import plugins
from pilothouse.console.screenshots import settle
from pilothouse.console.session import config
from pilothouse.console.session.command_history import KEPT, CommandHistory
from pilothouse.console.session.config import ConsoleConfig, parse
from pilothouse.console.widgets import tones
from pilothouse.domain.errors import InvalidInputError, UnavailableError

WHOLE = """
skin = "night"
lean = true
clipboard = false

[keys]
"jobs.retry" = "F5"
"everywhere.refresh" = ["ctrl+r", ";"]

[aliases]
fd = "monitor flight-delay ewr"

[skins.night]
bad = "bright_red bold"
info = "#88c0d0"

[plugins.diff]
key = "ctrl+o"
command = ["git", "diff", "--stat", "$VERSION"]
scopes = ["versions"]
run = "pager"
confirm = false
""".replace("F5", "f5")


def test_a_whole_file() -> None:
    found = parse(WHOLE)
    assert (found.skin, found.lean, found.clipboard) == ("night", True, False)
    assert found.keys == {"jobs.retry": "f5", "everywhere.refresh": "ctrl+r,semicolon"}
    assert found.aliases == {"fd": "monitor flight-delay ewr"}
    (plugin,) = found.plugins
    assert plugin.argv({"VERSION": "3; rm -rf"}) == ["git", "diff", "--stat", "3; rm -rf"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('skin = "pink"', "line 1: skin: there is no skin 'pink': expected dark, light, mono"),
        ("skin = 5 6\n", "console.toml: not valid TOML: Expected newline or end of document after a statement (at line 1"),
        ("colour = 1", "line 1: colour: is not known here: expected skin"),
        ('\nlean = "yes"', "line 2: lean: found 'yes'; expected true, false"),
        ('[keys]\n"jobs.retry" = "f5"\n"jobs.sing" = "x"', "line 3: keys.jobs.sing: there is no such action"),
        ('[keys]\n"jobs.retry" = "J"', "capitals sort tables"),
        ('[keys]\n"jobs.retry" = "j"', "moves in lists and texts"),
        ('[keys]\n"jobs.retry" = "two keys"', "is no key"),
        ('[keys]\n"jobs.retry" = "ctrl+k"', "line 2: keys.jobs.retry: ^k is the key of jobs.cancel already"),
        ('[keys]\n"everywhere.refresh" = "r"', "line 2: keys.everywhere.refresh: r is the key of"),
        ("[keys]\n\"jobs.retry\" = 5", "found 5; expected a key"),
        ('keys = 5', "expected a table [keys]"),
        ('[aliases]\njobs = "alerts"', "line 2: aliases.jobs: a view has that name already"),
        ('[aliases]\nfd = "teapot"', "there is no view 'teapot'"),
        ('[skins.night]\nbad = "colour of hope"', "line 2: skins.night.bad: 'colour of hope' is no colour"),
        ('[skins.night]\nworse = "red"', "worse: is not known here"),
        ('[plugins.x]\nkey = "ctrl+o"\ncommand = "ls -l"', "line 3: plugins.x.command: found 'ls -l'; expected a list"),
        ('[plugins.x]\nkey = "ctrl+o"\ncommand = ["ls", "$HOME"]', "there is no $HOME: expected $MODEL"),
        ('[plugins.x]\nkey = "ctrl+o"\ncommand = ["$MODEL"]', "the program itself cannot be a placeholder"),
        ('[plugins.x]\nkey = "ctrl+r"\ncommand = ["ls"]', "line 2: plugins.x.key: ^r is the key of everywhere.refresh already"),
        ('[plugins.x]\nkey = "ctrl+o"\ncommand = ["ls"]\nscopes = ["kitchen"]', "expected names of views"),
        ('[plugins.x]\nkey = "ctrl+o"\ncommand = ["ls"]\nrun = "shell"', 'expected "terminal" or "pager"'),
    ],
)  # fmt: skip
def test_each_fault_is_a_line(text: str, words: str) -> None:
    with pytest.raises(InvalidInputError) as found:
        parse(text)
    assert words in str(found.value)
    assert all(line.startswith("console.toml") for line in str(found.value).split("\n"))


def test_a_file_that_is_named_must_be_there_and_text(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="there is no such file"):
        config.load(tmp_path / "none.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInputError, match="byte 0 is not UTF-8"):
        config.load(tmp_path / "odd.toml")


def test_a_value_is_never_taken_for_an_option_and_a_missing_one_is_said() -> None:
    (plugin,) = parse('[plugins.x]\nkey = "ctrl+o"\ncommand = ["ls", "$NAME", "--of=$MODEL"]').plugins
    assert plugin.argv({"NAME": "a", "MODEL": "-b"}) == ["ls", "a", "--of=-b"]
    with pytest.raises(InvalidInputError, match="would be taken for an option"):
        plugin.argv({"NAME": "--delete", "MODEL": "b"})
    with pytest.raises(InvalidInputError, match=r"needs \$MODEL"):
        plugin.argv({"NAME": "a"})


async def test_keys_aliases_and_plugins_work(make_console, tmp_path: Path) -> None:
    settings = parse(
        '[keys]\n"models.train" = "f2"\n[aliases]\nfd = "versions flight-delay"\n'
        '[plugins.say]\nkey = "ctrl+o"\ncommand = ["printf", "%s\\\\033[31m red \\\\033]52;c;eA==\\\\007", "$MODEL"]\n'
        'run = "pager"\nscopes = ["models"]\n'
    )
    app = make_console("sam", start="models", config=settings)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        assert "f2 train" in footer(app)
        await pilot.press("t")
        assert app.view.SCOPE == "models", "the old key is free"
        await pilot.press("ctrl+o")
        words = str(app.screen.query_one("#message").render())
        assert "printf" in words
        assert "bike-demand" in words
        await pilot.press("enter")
        for _ in range(200):
            await pilot.pause(0.02)
            if app.screen.query("#text"):
                break
        text = app.screen.query_one("#text").text
        assert text.startswith("bike-demand")
        assert "\x1b" not in text
        await pilot.press("escape", "f2")
        await settle(pilot)
        assert app.view.SCOPE == "train"
        await pilot.press("escape", "colon", *"fd", "enter")
        await settle(pilot)
        assert (app.view.SCOPE, app.view.model) == ("versions", "flight-delay")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"read_only": True}, "this console is read-only"),
        ({"plugins": False}, "started without plugins"),
    ],
)
async def test_a_plugin_that_is_not_allowed_says_why(
    make_console, options: dict[str, bool], words: str
) -> None:
    settings = parse('[plugins.say]\nkey = "ctrl+o"\ncommand = ["touch", "never"]\nconfirm = false\n')
    app = make_console("sam", start="models", config=settings, **options)
    async with app.run_test(size=(100, 30)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+o")
        await pilot.pause()
        assert words in footer(app)
        assert app.screen is app.view


async def test_a_faulty_configuration_gets_a_screen_and_enter_goes_on_without(make_console) -> None:
    app = make_console("pat", fault="console.toml line 3: keys.jobs.sing: there is no such action")
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.pause(0.1)
        assert app.current_mode == "opening"
        trouble = str(app.view.query_one("#trouble").render())
        assert "configuration is not valid" in trouble
        assert "line 3: keys.jobs.sing" in trouble
        await pilot.press("enter")
        await settle(pilot)
        assert app.view.SCOPE == "overview"


async def test_a_skin_changes_tones_and_mono_has_no_colour(make_console) -> None:
    try:
        app = make_console("pat", config=ConsoleConfig(skin="mono", tones=tones.SKINS["mono"]))
        assert all(style.color is None for style in tones.STYLES.values())
        async with app.run_test(size=(80, 24)) as pilot:
            await settle(pilot)
            text = "\n".join(
                segment.text for strip in app.screen._compositor.render_strips() for segment in strip
            )
            assert "✖ critical" in text, "a state is a word and a glyph too"
    finally:
        tones.use_skin({})


def test_commands_are_kept_for_their_user_and_capped(tmp_path: Path) -> None:
    path = tmp_path / "state" / "commands"
    history = CommandHistory(path)
    for number in range(KEPT + 20):
        history.add(f"job {number}")
    history.add("jobs")
    history.add("job 500")
    history.add("\x1b[2J")
    assert path.stat().st_mode & 0o777 == 0o600
    again = CommandHistory(path)
    assert len(again.lines) == KEPT
    assert again.lines[-2:] == ["jobs", "job 500"]
    path.write_bytes(b"\xff\x00\x1b\n" * 9 + b"jobs failed\n")
    assert CommandHistory(path).lines[-1] == "jobs failed"
    assert CommandHistory(tmp_path).lines == [], "a folder where the file should be"


def test_a_plugin_that_prints_or_takes_too_much_is_ended(monkeypatch) -> None:
    text, code = plugins.captured(["yes"], {"PATH": "/usr/bin:/bin"})
    assert (len(text), code) == (plugins.OUTPUT_LIMIT, -9)
    monkeypatch.setattr(plugins, "TIMEOUT_S", 0.2)
    with pytest.raises(UnavailableError, match="was ended"):
        plugins.captured(["sleep", "60"], {"PATH": "/usr/bin:/bin"})
    with pytest.raises(UnavailableError, match="no-such-program cannot be run"):
        plugins.captured(["no-such-program"], {})


async def test_a_plugin_runs_in_the_workspace_wherever_the_console_was_started(
    make_console, workspace: Path, tmp_path: Path, monkeypatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    (workspace / "notes.txt").write_text("read from the workspace")
    settings = parse(
        '[plugins.notes]\nkey = "ctrl+o"\ncommand = ["cat", "notes.txt"]\nconfirm = false\nrun = "pager"\n'
    )
    app = make_console("pat", start="models", config=settings)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        await pilot.press("ctrl+o")
        for _ in range(400):
            await pilot.pause(0.02)
            if app.screen.query("#text"):
                break
        assert "read from the workspace" in app.screen.query_one("#text").text
