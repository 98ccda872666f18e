"""What the program imports is declared, what is declared is used, and the lowest bounds are those that are tried."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
from documents import ROOT

SOURCE = ROOT / "src" / "pilothouse"
LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-lowest.lock")

USED_WITHOUT_IMPORT = {
    "tzdata": "zoneinfo reads it where the system has no time zones of its own",
    "pysqlite3": "sqlite.connection takes the first driver that is sound, by its name",
    "adlfs": "fsspec reads az:// by it",
    "s3fs": "fsspec reads s3:// by it",
    "psycopg": "SQLAlchemy's driver of postgresql+psycopg://",
    "psycopg-binary": "the library that psycopg speaks through",
    "pymysql": "SQLAlchemy's driver of mysql+pymysql://",
    "pandera": "a team's own code reads the schema that contract export writes",
    "dask[distributed]": "distributed comes with it, and is what is imported",
    "protobuf": "skl2onnx and onnx, with a bound of its own",
}
"""Packages that are declared and that no line imports: what reads them instead."""


_OF_EXTRAS = {"yaml": "pyyaml"}
"""Distributions of modules that extras bring, where these are not installed."""


def normal(name: str) -> str:
    """A distribution's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def project() -> dict[str, list[str]]:
    """The requirements by the place where they are declared."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    return {"dependencies": facts["project"]["dependencies"], "dev": facts["dependency-groups"]["dev"]}


def name_and_bound(requirement: str) -> tuple[str, str]:
    """``pandas>=2.3.3`` as (pandas, 2.3.3). Every requirement here says its lowest version."""
    found = re.match(r"([A-Za-z0-9._-]+)>=([0-9][0-9.]*)(?=$|[,;\s])", requirement)
    assert found is not None, f"{requirement}: expected NAME>=VERSION"
    return normal(found[1]), found[2]


def release(version: str) -> tuple[int, ...]:
    """A version's numbers; 14.2 and 14.2.0 are one release."""
    numbers = [int(part) for part in version.split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def pins(lock: str) -> dict[str, list[str]]:
    """The versions that a lock file holds of each distribution: several where they depend on the Python."""
    found: dict[str, list[str]] = {}
    for name, version in re.findall(
        r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / lock).read_text("utf-8"), re.M
    ):
        found.setdefault(normal(name), []).append(version)
    return found


def modules_of(tree: ast.AST) -> Iterator[str]:
    """Top-level modules that a file imports, in functions too, by ``import_module`` too where the name is written out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
        ):
            match node.args:
                case [ast.Constant(value=str(name)), *_] if not name.startswith("."):
                    yield name.partition(".")[0]


def imported() -> dict[str, set[str]]:
    """The distributions that the program imports, and the files that do."""
    distributions = metadata.packages_distributions()
    found: dict[str, set[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for module in modules_of(ast.parse(path.read_text("utf-8"))):
            if module in sys.stdlib_module_names or module == "pilothouse":
                continue
            if (
                path.parent.name == "verifier" and path.with_name(f"{module}.py").exists()
            ):  # files that go together
                continue
            for name in distributions.get(module, [_OF_EXTRAS.get(module, module)]):
                found.setdefault(normal(name), set()).add(str(path.relative_to(SOURCE)))
    return found


def extras() -> set[str]:
    """Distributions of the extras, which need no lowest version where they have a highest."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    requirements = [one for extra in facts["project"]["optional-dependencies"].values() for one in extra]
    return {normal(re.split("[<>=;]", one, maxsplit=1)[0]) for one in requirements}


def declared() -> set[str]:
    return {name_and_bound(requirement)[0] for requirement in project()["dependencies"]} | extras()


def test_what_is_imported_is_declared() -> None:
    found = imported()
    assert {name: sorted(found[name]) for name in found.keys() - declared()} == {}


def test_what_is_declared_is_used() -> None:
    assert declared() - imported().keys() == USED_WITHOUT_IMPORT.keys()


def test_every_way_of_importing_is_seen() -> None:
    text = """
import numpy.linalg as n, click
from scipy.stats import rankdata
from . import here
from .rich import there
def later():
    import pandas
    return importlib.import_module("pysqlite3.dbapi2"), import_module(f"{pandas}.x"), import_module(".y", "pilothouse")
"""
    assert sorted(modules_of(ast.parse(text))) == ["click", "numpy", "pandas", "pysqlite3", "scipy"]


@pytest.mark.parametrize("place", ["dependencies", "dev"])
def test_the_lowest_bounds_are_those_of_the_lowest_lock(place: str) -> None:
    """A bound that cannot be had beside the others shows here: the resolver takes a higher version than it says.

    Where a bound was lowered, requirements-lowest.lock holds the old version until it is removed and made again.
    """
    lowest = pins("requirements-lowest.lock")
    for requirement in project()[place]:
        name, bound = name_and_bound(requirement)
        assert [release(version) for version in lowest.get(name, [])] == [release(bound)], requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_what_is_declared_and_no_older(lock: str) -> None:
    held = pins(lock)
    wanted = project()
    for requirement in wanted["dependencies"] + (wanted["dev"] if lock != "requirements.lock" else []):
        name, bound = name_and_bound(requirement)
        assert held.get(name), requirement
        assert all(release(version) >= release(bound) for version in held[name]), requirement


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_holds_names_versions_and_digests_alone(lock: str) -> None:
    """No index, no address, no path: a line is a pin, a digest, or the comment that says what the file is."""
    line = re.compile(r"# .*|[a-z0-9.-]+==[^\s/:@]+( ; [^/:@]+)? \\|    --hash=sha256:[0-9a-f]{64}( \\)?")
    odd = [text for text in (ROOT / lock).read_text("utf-8").splitlines() if not line.fullmatch(text)]
    assert odd == []


def test_pythons_named_are_those_that_the_bound_allows() -> None:
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)$", "\n".join(facts["classifiers"]), re.M)
    assert facts["requires-python"] == f">={named[0]}"
    assert [release(name) for name in named] == sorted(release(name) for name in named)


def test_the_table_of_reasons_is_whole() -> None:
    assert all(USED_WITHOUT_IMPORT.values())


def test_the_versions_that_are_named_are_those_that_are_tested() -> None:
    """The README, the classifiers, and what ``make test-versions`` looks for, which reads the classifiers."""
    facts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(facts["classifiers"]))
    (line,) = [
        line for line in (ROOT / "README.md").read_text("utf-8").splitlines() if "all four are tested" in line
    ]
    assert re.findall(r"3\.\d+", line) == named
    assert facts["requires-python"] == f">={named[0]}"
