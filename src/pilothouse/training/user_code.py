"""Calls of the user's own functions, ``train.py:fit`` and ``gate.py:check``. Imported in the fit, trial and gate steps
alone."""

import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from pilothouse.domain.errors import InvalidInputError, UserCodeError


def load_function(folder: Path, name: str) -> Callable[..., Any]:
    """Function that ``FILE.py:FUNCTION`` names in the model's folder. Raises InvalidInputError in one line."""
    file_name, _, function_name = name.partition(":")
    file = folder / file_name
    if not file.is_file():
        raise InvalidInputError(
            f"{file_name}: not found beside model.toml; expected it to define {function_name}"
        )
    specification = importlib.util.spec_from_file_location(file.stem, file)
    if specification is None or specification.loader is None:
        raise InvalidInputError(f"{file_name}: is not a Python file")
    module = importlib.util.module_from_spec(specification)
    # the user's file may import its neighbours, and leaves no __pycache__ in the model's folder
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    sys.modules[file.stem] = module
    loader = specification.loader
    call(folder, lambda: loader.exec_module(module))
    function = getattr(module, function_name, None)
    if not callable(function):
        raise InvalidInputError(f"{file_name}: defines no function {function_name!r}")
    return cast(Callable[..., Any], function)


def call(folder: Path, function: Callable[..., Any], *arguments: Any) -> Any:
    """Result of the user's code. What it raises becomes a UserCodeError, one line with the file, the line and the
    exception.

    MemoryError is let through; the whole traceback goes to the log.
    """
    try:
        return function(*arguments)
    except MemoryError:
        raise
    except (Exception, SystemExit) as error:
        traceback.print_exc(file=sys.stderr)
        raise UserCodeError(f"{_location(folder, error)}{type(error).__name__}: {error}") from error


def _location(folder: Path, error: BaseException) -> str:
    """Prefix ``train.py line 12 in fit: `` for the deepest line of the user's own files."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{Path(error.filename).name} line {error.lineno}: "
    own = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_relative_to(folder)
    ]
    if not own:
        return ""
    return f"{Path(own[-1].filename).name} line {own[-1].lineno} in {own[-1].name}: "
