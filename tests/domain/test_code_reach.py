"""Files that code can reach."""

import pytest

from pilothouse.domain.models.code_reach import reached_files


def reached(files: dict[str, str], start: str = "gate.py") -> list[str]:
    return reached_files(start, list(files), lambda name: files[name].encode())


@pytest.mark.parametrize(
    "code",
    [
        "import rules",
        "from rules import limit",
        "import rules.deep as other",
        "def check():\n    from rules import limit",
        "import importlib\nrules = importlib.import_module('rules')",
        "rules = __import__('rules')",
        "exec(open('rules.py').read())",
        "open(b'rules.py')",
        "from pathlib import Path\nPath(__file__).with_name('rules.py').read_text()",
        "open(f'./{1}/rules.py')",
    ],
)
def test_what_code_imports_or_names_is_reached(code: str) -> None:
    assert reached({"gate.py": code, "rules.py": "", "train.py": "", "notes.md": ""}) == [
        "gate.py",
        "rules.py",
    ]


def test_what_is_reached_reaches_further_and_a_circle_ends() -> None:
    files = {
        "gate.py": "import rules",
        "rules.py": "import train",
        "train.py": "import gate\nopen('limits.json')",
        "limits.json": "{}",
        "other.py": "import gate",
    }

    assert reached(files) == ["gate.py", "limits.json", "rules.py", "train.py"]


def test_a_package_counts_whole_and_a_compiled_module_stands_for_its_name() -> None:
    files = {
        "gate.py": "import lib.deep\nimport fast",
        "lib/__init__.py": "",
        "lib/deep.py": "from . import near",
        "lib/near.py": "import far",
        "far.py": "",
        "fast.cpython-313-x86_64-linux-gnu.so": "",
        "unused/deep.py": "",
    }

    assert reached(files) == sorted(files.keys() - {"unused/deep.py"})


def test_a_file_that_shadows_a_library_is_reached() -> None:
    assert reached({"gate.py": "import json", "json.py": "", "numpy.py": ""}) == ["gate.py", "json.py"]


def test_words_of_a_docstring_reach_nothing() -> None:
    code = '"""train.py"""\nimport importlib\n\ndef check():\n    """train"""\n'

    assert reached({"gate.py": code, "train.py": ""}) == ["gate.py"]


@pytest.mark.parametrize("code", ["def (", "\0", "(" * 5_000])
def test_code_that_cannot_be_parsed_reaches_everything(code: str) -> None:
    files = {"gate.py": "import rules", "rules.py": code, "notes.md": ""}

    assert reached(files) == ["gate.py", "notes.md", "rules.py"]
