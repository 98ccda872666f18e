"""Fixtures of the console's tests: a frozen workspace of their own, and a console on it."""

import asyncio
import shutil
import sys
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

import pytest
from textual.css.model import RuleSet
from textual.css.stylesheet import Stylesheet

sys.path.insert(0, str(Path(__file__).parent))

from pilothouse.composition import open_workspace
from pilothouse.console.app import Console
from pilothouse.console.session.config import ConsoleConfig
from pilothouse.console.session.options import ConsoleOptions
from pilothouse.operations.services import Services
from support import example

MakeConsole = Callable[..., Console]


@pytest.fixture(scope="session", autouse=True)
def styles_parsed_once() -> Iterator[None]:
    """Each console parses the same style sheets, for a tenth of the time of its test. Rules are not changed once parsed."""
    parsed: dict[Hashable, list[RuleSet]] = {}
    parse = Stylesheet._parse_rules

    def parse_once(sheet: Stylesheet, css: str, *place: Any, **how: Any) -> list[RuleSet]:
        key = (css, place, tuple(sorted(how.items())), tuple(sheet._variables.items()))
        if key not in parsed:
            parsed[key] = parse(sheet, css, *place, **how)
        return parsed[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stylesheet, "_parse_rules", parse_once)
        yield


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Tasks begin as on a terminal: eagerly from Python 3.12 on, where ``App.run`` asks for that and ``App.run_test`` does not.

    A test that is marked ``eager_and_lazy`` runs with both, where the Python at hand has both.
    """
    lazy: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"lazy": asyncio.new_event_loop}
    if not hasattr(asyncio, "eager_task_factory"):
        return lazy
    eager = {"eager": _eager_loop}
    return {**eager, **lazy} if item.get_closest_marker("eager_and_lazy") else eager


def _eager_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    return loop


@pytest.fixture(scope="session")
def frozen_example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The workspace as built; copy it, do not change it."""
    root = tmp_path_factory.mktemp("example") / "workspace"
    root.mkdir()
    example.build(root)
    return root


@pytest.fixture
def workspace(frozen_example: Path, tmp_path: Path) -> Path:
    """A copy that the test may change. This process stands for its daemon."""
    root = tmp_path / "workspace"
    shutil.copytree(frozen_example, root)
    example.start_daemon(root)
    return root


@pytest.fixture
def make_console(workspace: Path) -> Iterator[MakeConsole]:
    """Make a console on the workspace with the clock stopped, as ``pat`` the approver unless another is named."""
    made: list[Console] = []

    def make(
        name: str = "pat",
        *,
        watching: bool = False,
        config: ConsoleConfig | None = None,
        fault: str = "",
        **wanted: Any,
    ) -> Console:
        options = ConsoleOptions(user="ada", as_name=name, **wanted)

        def opener() -> Services:
            services = open_workspace(workspace)
            services.now = lambda: example.NOW
            services.read_only = options.read_only
            return services

        made.append(Console(opener, options, watching=watching, config=config, fault=fault))
        return made[-1]

    yield make
    for console in made:
        console.session.close()
