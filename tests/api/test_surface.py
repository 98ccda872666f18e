"""The public surface: its names, that its import loads nothing, its types in a user's own script, and the page's examples."""

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pilothouse as ph
from pilothouse.desk.calls import CALLS
from support.programs import program
from support.small_workspace import SmallWorkspace

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "python.md"
EXAMPLES = dict(
    re.findall(r"<!-- example: ([a-z]+) -->\n```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
)

OF_A_PERSON = ("approv", "reject", "decid", "glass", "roll", "grant", "revoke", "user", "policy", "freeze", "hold", "eras",
               "restore", "passphrase", "key", "attach", "confirm", "apply", "target", "token", "review")  # fmt: skip
"""Parts of the names of acts that are a person's, at the console or the command line."""


def test_the_page_names_every_public_name_and_no_other() -> None:
    named = re.findall(r"^### `ph\.(\w+)`$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert sorted(named) == sorted(set(ph.__all__) - {"__version__"})
    assert dir(ph) == sorted(ph.__all__)
    for name in named:
        assert getattr(ph, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        ph.nothing  # type: ignore[attr-defined]  # noqa: B018


def test_the_types_name_what_the_package_gives() -> None:
    stub = ast.parse((ROOT / "src" / "pilothouse" / "__init__.pyi").read_text())
    typed = {
        alias.asname: f"{node.module}.{alias.name}"
        for node in stub.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert typed == {name: f"pilothouse.{module}.{name}" for name, module in ph._PUBLIC.items()}


def test_the_import_loads_the_package_alone() -> None:
    text = (
        "import json, sys; before = set(sys.modules); import pilothouse\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))"
    )
    found = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == ["pilothouse"]


def test_a_client_loads_no_database_and_no_library_of_models(shop: SmallWorkspace) -> None:
    text = (
        "import json, sys\nimport pilothouse as ph\nwith ph.Client() as client: client.models()\n"
        "print(json.dumps(sorted(name for name in sys.modules if name.partition('.')[0] in "
        "('sqlite3', 'pysqlite3', 'apsw', 'numpy', 'pandas', 'pyarrow', 'sklearn', 'textual', 'click') or "
        "name.startswith(('pilothouse.store', 'pilothouse.operations', 'pilothouse.telemetry', 'pilothouse.sqlite')))))"
    )
    found = program(text, shop.root)
    assert json.loads(found.stdout) == [], found.stderr


def test_a_users_script_is_checked_by_its_types(tmp_path: Path) -> None:
    (tmp_path / "good.py").write_text(
        "import pilothouse as ph\n"
        "client = ph.Client()\n"
        "version: ph.Version = client.version('delay@champion')\n"
        "auc: float | None = version.metric('auc')\n"
        "job: ph.Job = client.wait(client.train('delay', reason='new rows'), timeout=60.0)\n"
        "decided: ph.Request = client.wait(client.request(version.uri))\n"
        "receipt: ph.Receipt = ph.log_predictions({}, model='delay', version=1, target='ewr')\n"
        "taken: int = ph.log_outcomes({}).taken + receipt.outcomes.taken\n"
        "model: ph.Estimator = ph.load('delay/1')\n"
        "with ph.run('delay', 'name') as run:\n"
        "    run.log_metric('loss', 0.5, step=1)\n"
        "    digest: str = run.log_data({})\n"
        "rows: ph.Comparison = client.compare_runs([run.number, client.recorded_run(1)])\n"
        "try:\n"
        "    client.model('x')\n"
        "except (ph.NotFoundError, ph.NotAllowedError) as error:\n"
        "    print(error)\n"
    )
    (tmp_path / "bad.py").write_text(
        "import pilothouse as ph\n"
        "ph.Client().train(1)\n"
        "ph.Client().approve(1)\n"
        "ph.run('delay').log_metric('loss', 'low')\n"
        "ph.log_predictions({}, model='delay', target='ewr')\n"
    )
    (tmp_path / "mypy.ini").write_text("[mypy]\nstrict = true\nfollow_imports_for_stubs = true\n")
    command = [sys.executable, "-m", "mypy", "--config-file", "mypy.ini", "--no-error-summary"]
    command += ["--cache-dir", str(ROOT / ".mypy_cache")]
    good, bad = (
        subprocess.run([*command, name], cwd=tmp_path, capture_output=True, text=True, check=False)
        for name in ("good.py", "bad.py")
    )
    assert [line for line in good.stdout.splitlines() if line.startswith("good.py")] == []
    assert [int(line) for line in re.findall(r"^bad\.py:(\d+): error", bad.stdout, re.MULTILINE)] == [
        2,
        3,
        4,
        5,
    ]


def test_what_a_person_decides_is_no_function_of_the_desk() -> None:
    public = [name for name in vars(ph.Client) if not name.startswith("_")]
    for name in (*CALLS, *public):
        assert not [part for part in OF_A_PERSON if part in name], name


def test_a_function_that_the_desk_does_not_have_is_refused(client: ph.Client) -> None:
    for name in ("approve", "__init__", "close", "end_lost"):
        with pytest.raises(ph.InvalidInputError, match="has no function"):
            client._connection.call(name)


def test_the_examples_of_the_page_run(shop: SmallWorkspace) -> None:
    assert set(EXAMPLES) == {"rows", "client", "load", "run", "notebook"}
    text = "\n".join(f"print('# {name}')\n{example}" for name, example in EXAMPLES.items())
    found = program(text, shop.root)
    assert found.returncode == 0, found.stderr
    parts = dict(part.partition("\n")[::2] for part in found.stdout.split("# ")[1:])
    assert parts["rows"].splitlines() == ["2 0 {}", "2"]
    assert "models:/delay/1" in parts["client"]
    assert parts["load"].startswith("models:/delay/1 ['1' '0']")
    assert "{'loss': 0.333" in parts["run"]
