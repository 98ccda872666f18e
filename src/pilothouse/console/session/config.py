"""The user's configuration of the console: keys, aliases, a skin, plugins. It is checked whole, each fault with its line."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast

from rich.errors import StyleSyntaxError
from rich.style import Style

from pilothouse.console.session.actions import ACTIONS, EVERYWHERE, RESERVED, actions_of, key_name, printed
from pilothouse.console.session.views import COMMANDS, VIEWS, parse_command
from pilothouse.console.sites.keys import LISTS, SITE_ACTIONS, SITES, actions_in
from pilothouse.console.widgets.tones import SKINS
from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.formats.bounded_toml import one_line_each, parse_toml
from pilothouse.presentation.cell import Tone

PLACEHOLDERS = ("MODEL", "VERSION", "TARGET", "JOB", "ALERT", "REQUEST", "NAME", "ACTOR", "WORKSPACE")
_PLACEHOLDER = re.compile(r"\$([A-Z]+)")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_KEY = re.compile(r"(ctrl\+|alt\+|shift\+)*([a-z][a-z_]*[a-z]|[a-z0-9]|f[0-9]{1,2})")
_LARGEST = 262_144
_PLACED = 200
"""Faults that are looked for in the text at most: each takes reading all of it."""


def _placeholders(command: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(name for part in command for name in _PLACEHOLDER.findall(part)))


@dataclass(frozen=True, slots=True)
class Plugin:
    """A command of the user's own. ``command`` is run as it is, without a shell; placeholders stand for values of the record
    under the cursor."""

    name: str
    key: str
    command: tuple[str, ...]
    description: str
    scopes: tuple[str, ...] = ()
    """Views in which the key works; empty for all."""
    confirm: bool = True
    run: Literal["terminal", "pager"] = "terminal"

    def works_in(self, scope: str) -> bool:
        """Whether the key works in that view."""
        return not self.scopes or scope in self.scopes

    def argv(self, values: Mapping[str, str]) -> list[str]:
        """The command with its placeholders filled in, each inside its own argument.

        Raises InvalidInputError where a value is missing or would be taken for an option.
        """
        missing = [name for name in _placeholders(self.command) if not values.get(name)]
        if missing:
            raise InvalidInputError(f"{self.name} needs ${missing[0]}, and nothing here has one")
        argv = [_PLACEHOLDER.sub(lambda match: values[match[1]], part) for part in self.command]
        for given, filled in zip(self.command, argv, strict=True):
            if filled.startswith("-") and not given.startswith("-"):
                raise InvalidInputError(f"{self.name}: {filled[:40]!r} would be taken for an option")
            if "\0" in filled:
                raise InvalidInputError(f"{self.name}: a value holds a NUL character")
        return argv


@dataclass(frozen=True, slots=True)
class ConsoleConfig:
    """The settings of the file; the defaults where there is none."""

    skin: str = "dark"
    tones: Mapping[Tone, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    """Action id to keys, as Textual separates them."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    plugins: tuple[Plugin, ...] = ()
    lean: bool | None = None
    """None: over SSH."""
    clipboard: bool = True


def default_path(environment: Mapping[str, str] = os.environ) -> Path:
    """``$XDG_CONFIG_HOME/pilothouse/console.toml``."""
    home = environment.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(home).expanduser() / "pilothouse" / "console.toml"


def load(path: Path | None) -> ConsoleConfig:
    """Read a file; the default one may be missing. Raises InvalidInputError with one line for each fault."""
    file = path or default_path()
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        if path is None:
            return ConsoleConfig()
        raise InvalidInputError(f"{file}: there is no such file") from None
    except OSError as error:
        raise InvalidInputError(f"{file}: cannot be read: {error.strerror}") from None
    if len(data) > _LARGEST:
        raise InvalidInputError(f"{file}: has {len(data):,} bytes; expected {_LARGEST:,} at most")
    try:
        return parse(data.decode("utf-8"), file.name)
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{file}: byte {error.start} is not UTF-8") from None


def parse(text: str, name: str = "console.toml") -> ConsoleConfig:
    """Parse a configuration. Raises InvalidInputError with one line for each fault."""
    data = parse_toml(text, name)
    faults = _Faults(text, name)
    faults.unknown("", data, ("skin", "lean", "clipboard", "keys", "aliases", "skins", "plugins"))
    skins = _skins(faults.table("skins", data), faults)
    skin = data.get("skin", "dark")
    if not isinstance(skin, str) or skin not in skins:
        faults.add("", "skin", f"there is no skin {skin!r}: expected {', '.join(skins)}")
        skin = "dark"
    lean = data.get("lean", "auto")
    if lean not in (True, False, "auto"):
        faults.add("", "lean", f'found {lean!r}; expected true, false or "auto"')
    clipboard = data.get("clipboard", True)
    if not isinstance(clipboard, bool):
        faults.add("", "clipboard", f"found {clipboard!r}; expected true or false")
    keys = _keys(faults.table("keys", data), faults)
    plugins = _plugins(faults.table("plugins", data), faults)
    _check_conflicts(keys, plugins, faults)
    aliases = _aliases(faults.table("aliases", data), faults)
    if faults.lines:
        raise InvalidInputError("\n".join(one_line_each(line for _, line in sorted(faults.lines))))
    return ConsoleConfig(
        skin, skins[skin], keys, aliases, plugins, None if lean == "auto" else bool(lean), bool(clipboard)
    )


class _Faults:
    """Collects one line for each fault, with the line of the file that it stands in."""

    def __init__(self, text: str, name: str) -> None:
        self._lines = text.splitlines()
        self._name = name
        self.lines: list[tuple[int, str]] = []

    def add(self, section: str, key: str, message: str) -> None:
        if len(self.lines) >= _PLACED:
            self.lines.append((len(self._lines) + 1, f"{self._name}: {key}: {message}"))
            return
        number = self._line_of(section, key)
        where = ".".join(filter(None, (section, key)))
        self.lines.append((number, f"{self._name} line {number}: {where}: {message}"))

    def unknown(self, section: str, table: Mapping[str, Any], known: tuple[str, ...]) -> None:
        for key in table:
            if key not in known:
                self.add(section, key, f"is not known here: expected {', '.join(known)}")

    def table(self, key: str, data: Mapping[str, Any]) -> Mapping[str, Any]:
        table = data.get(key, {})
        if isinstance(table, dict):
            return table
        self.add("", key, f"found {table!r}; expected a table [{key}]")
        return {}

    def _line_of(self, section: str, key: str) -> int:
        inside = ""
        best = 1
        for number, line in enumerate(self._lines, start=1):
            header = re.match(r"\s*\[([^\[\]]+)\]", line)
            if header:
                inside = header[1].replace('"', "").strip()
                if inside in (section, ".".join(filter(None, (section, key)))):
                    best = number
            elif inside == section and re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line):
                return number
        return best


def _skins(table: Mapping[str, Any], faults: _Faults) -> dict[str, Mapping[Tone, str]]:
    skins: dict[str, Mapping[Tone, str]] = dict(SKINS)
    tones = tuple(tone for tone in SKINS["dark"] if tone)
    for name, skin in table.items():
        section = f"skins.{name}"
        if not isinstance(skin, dict):
            faults.add("skins", name, f"found {skin!r}; expected a table of tones")
            continue
        faults.unknown(section, skin, tones)
        for tone, style in skin.items():
            try:
                Style.parse(style)
            except (StyleSyntaxError, AttributeError, TypeError, ValueError):
                faults.add(section, tone, f'{style!r} is no colour: write e.g. "red bold" or "#d08770"')
        skins[name] = cast("Mapping[Tone, str]", skin)
    return skins


def _keys(table: Mapping[str, Any], faults: _Faults) -> dict[str, str]:
    known = {action.id for action in (*ACTIONS, *SITE_ACTIONS)}
    keys: dict[str, str] = {}
    for name, value in table.items():
        given = [value] if isinstance(value, str) else value
        if name not in known:
            scope = name.partition(".")[0]
            near = sorted(i for i in known if i.startswith(scope + ".")) or sorted({a.scope for a in ACTIONS})
            faults.add("keys", name, f"there is no such action: expected one of {', '.join(near[:12])}")
        elif not isinstance(given, list) or not given or not all(isinstance(key, str) for key in given):
            faults.add("keys", name, f"found {value!r}; expected a key, or a list of keys")
        else:
            names = [key_name(key) for key in given]
            for key in names:
                _check_key(key, "keys", name, faults)
            keys[name] = ",".join(names)
    return keys


def _check_key(key: str, section: str, name: str, faults: _Faults) -> None:
    if len(key) == 1 and key.isupper():
        faults.add(section, name, f"{key!r}: capitals sort tables; take another key")
    elif not _KEY.fullmatch(key):
        faults.add(section, name, f'{key!r} is no key: write e.g. "x", "ctrl+x", "f5" or "!"')
    elif key in RESERVED:
        faults.add(
            section, name, f"{printed(key)} moves in lists and texts or is the terminal's; take another key"
        )


def _check_conflicts(keys: Mapping[str, str], plugins: tuple[Plugin, ...], faults: _Faults) -> None:
    """No key may have two meanings in a view."""
    reported = set()
    scopes = {action.scope: actions_of(action.scope, keys) for action in ACTIONS}
    of_sites = {  # by view and kind of what the cursor is on; no name of a view has a blank
        f"{SITES} {view} {kind}": actions_in(view, kind, keys)
        for view, kinds in {SITES: ("",), **LISTS}.items()
        for kind in kinds
    }
    for scope, actions in {**scopes, **of_sites}.items():
        taken: dict[str, tuple[str, str, str]] = {}
        entries = [("keys", action.id, key) for action in actions for key in action.key_list]
        if scope in scopes:
            entries += [
                (f"plugins.{p.name}", "key", p.key)
                for p in plugins
                if p.works_in(scope) or scope == EVERYWHERE
            ]
        for section, name, key in entries:
            before = taken.setdefault(key, (section, name, key))
            if before == (section, name, key):
                continue
            changed = (
                before
                if before[1] in keys and name not in keys and section == "keys"
                else (section, name, key)
            )
            other = (section, name, key) if changed == before else before
            if (changed, other) not in reported:
                reported.add((changed, other))
                owner = other[1] if other[0] == "keys" else other[0]
                faults.add(changed[0], changed[1], f"{printed(key)} is the key of {owner} already")


def _aliases(table: Mapping[str, Any], faults: _Faults) -> dict[str, str]:
    taken = {*VIEWS, *COMMANDS, *(alias for view in VIEWS.values() for alias in view.aliases)}
    aliases: dict[str, str] = {}
    for name, command in table.items():
        if not _NAME.fullmatch(name):
            faults.add("aliases", name, "expected a short word of a-z, 0-9, - and _")
        elif name in taken:
            faults.add("aliases", name, "a view has that name already")
        elif not isinstance(command, str):
            faults.add("aliases", name, f"found {command!r}; expected a command as it is typed after :")
        else:
            try:
                parse_command(command)
            except InvalidInputError as error:
                faults.add("aliases", name, str(error))
            aliases[name] = command
    return aliases


def _plugins(table: Mapping[str, Any], faults: _Faults) -> tuple[Plugin, ...]:
    plugins = (_plugin(name, entry, faults) for name, entry in table.items())
    return tuple(plugin for plugin in plugins if plugin is not None)


def _plugin(name: str, entry: Any, faults: _Faults) -> Plugin | None:
    section = f"plugins.{name}"
    before = len(faults.lines)
    if not _NAME.fullmatch(name) or not isinstance(entry, dict):
        faults.add("plugins", name, "expected a table [plugins.NAME], the name of a-z, 0-9, - and _")
        return None
    faults.unknown(section, entry, ("key", "command", "description", "scopes", "confirm", "run"))
    key, command = entry.get("key"), entry.get("command")
    scopes = entry.get("scopes", [])
    if not isinstance(key, str):
        faults.add(section, "key", f"found {key!r}; expected a key")
        return None
    key = key_name(key)
    _check_key(key, section, "key", faults)
    if not isinstance(command, list) or not command or not all(isinstance(p, str) and p for p in command):
        faults.add(section, "command", f"found {command!r}; expected a list: the program, then its arguments")
        return None
    for placeholder in _placeholders(command):
        if placeholder not in PLACEHOLDERS:
            expected = " ".join(f"${p}" for p in PLACEHOLDERS)
            faults.add(section, "command", f"there is no ${placeholder}: expected {expected}")
    if "$" in command[0]:
        faults.add(section, "command", "the program itself cannot be a placeholder")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) and scope in VIEWS for scope in scopes):
        faults.add(section, "scopes", f"found {scopes!r}; expected names of views: {', '.join(VIEWS)}")
        scopes = []
    if not isinstance(entry.get("confirm", True), bool):
        faults.add(section, "confirm", "expected true or false")
    if entry.get("run", "terminal") not in ("terminal", "pager"):
        faults.add(section, "run", 'expected "terminal" or "pager"')
    if not isinstance(entry.get("description", ""), str):
        faults.add(section, "description", "expected a text")
    if len(faults.lines) > before:
        return None
    return Plugin(
        name, key, tuple(command), entry.get("description") or f"Run {command[0]}.", tuple(scopes),
        entry.get("confirm", True), entry.get("run", "terminal"),
    )  # fmt: skip
