#!/usr/bin/env bash
# A Textual reactive that holds a dataclass with NaN calls its watcher once on Python 3.12 and at every assignment on 3.13
#
# What:     textual 8.2.8, attrs 26.1.0, msgspec 0.22.0, pydantic 2.14.4 on Python 3.12 and 3.13.
# Guess:    a reactive fires when the value changes; a frozen dataclass that is built anew from the same fields is
#           equal to the last one, and if NaN spoils that, it does so on every Python.
# Seen:     up to 3.12 a dataclass compares its fields as tuples, which ask "is it the same object?" first, so that
#           math.nan (one object in the program) equals itself; from 3.13 on field by field with ==, and NaN never
#           does. Five assignments of Health(psi=math.nan) call the watcher once on 3.12 and five times on 3.13. The
#           other record libraries answer alike on both, but not alike: attrs fires five times, msgspec.Struct, a
#           pydantic model and a NamedTuple once. A NaN that is new each time (float("nan"), a row from a parser) is
#           unequal everywhere, so that code that reads once and code that reads again differ as well.
# Why:      "nothing new, paint nothing" of a console that polls: after a change of Python each tick repaints every
#           row whose drift was not judged (NaN), over SSH, and a set of findings does not find an equal one any more.
#           Keep None for "not judged".
# Date:     2026-11
set -euo pipefail
python_of() {
  local candidate
  for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
    if "$candidate" -c "import sys; sys.exit('%d.%d' % sys.version_info[:2] != '$1')" >/dev/null 2>&1; then echo "$candidate"; return; fi
  done
  echo "this needs Python $1: neither python$1 on PATH nor a pyenv version" >&2
  exit 2
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat > "$work/ticks.py" <<'PY'
import asyncio
import json
import math
from dataclasses import dataclass
from typing import NamedTuple

import attrs
import msgspec
import pydantic
from textual.app import App
from textual.reactive import reactive


@dataclass(frozen=True)
class Health:
    psi: float


@attrs.frozen
class AttrsHealth:
    psi: float


class StructHealth(msgspec.Struct, frozen=True):
    psi: float


class ModelHealth(pydantic.BaseModel):
    psi: float


class TupleHealth(NamedTuple):
    psi: float


class Console(App):
    health = reactive(None, init=False)
    painted = 0

    def watch_health(self) -> None:
        self.painted += 1


async def ticks(make) -> int:
    app = Console()
    async with app.run_test(size=(40, 5)):
        for _ in range(5):
            app.health = make()
    return app.painted


async def main() -> None:
    print(json.dumps({
        "dataclass, math.nan": await ticks(lambda: Health(math.nan)),
        "dataclass, new NaN": await ticks(lambda: Health(float("nan"))),
        "dataclass, 0.1": await ticks(lambda: Health(0.1)),
        "attrs, math.nan": await ticks(lambda: AttrsHealth(math.nan)),
        "msgspec, math.nan": await ticks(lambda: StructHealth(math.nan)),
        "pydantic, math.nan": await ticks(lambda: ModelHealth(psi=math.nan)),
        "NamedTuple, math.nan": await ticks(lambda: TupleHealth(math.nan)),
    }))


asyncio.run(main())
PY
for version in 3.12 3.13; do
  interpreter=$(python_of "$version")
  "$interpreter" -m venv "$work/$version"
  "$work/$version/bin/python" -m pip install --quiet --disable-pip-version-check textual==8.2.8 attrs==26.1.0 msgspec==0.22.0 pydantic==2.14.4
  "$work/$version/bin/python" "$work/ticks.py" > "$work/$version.json"
done
cat > "$work/compare.py" <<'PY'
import json
import sys
from pathlib import Path

old, new = (json.loads(Path(sys.argv[1], f"{version}.json").read_text()) for version in ("3.12", "3.13"))
print("calls of the watcher for five assignments")
for name in old:
    print(f"{name:22} 3.12: {old[name]}  3.13: {new[name]}")
expected = {
    "dataclass, math.nan": (1, 5),
    "dataclass, new NaN": (5, 5),
    "dataclass, 0.1": (1, 1),
    "attrs, math.nan": (5, 5),
    "msgspec, math.nan": (1, 1),
    "pydantic, math.nan": (1, 1),
    "NamedTuple, math.nan": (1, 1),
}
if wrong := {name: (old[name], new[name]) for name in expected if (old[name], new[name]) != expected[name]}:
    sys.exit(f"CHANGED: expected {expected}, saw {wrong}")
print("as described: one NaN object, one paint on 3.12, five on 3.13")
PY
"$work/3.13/bin/python" "$work/compare.py" "$work"
