"""The tables of the documents that the program itself can give: keys, commands, permissions, layers.

``python docs/tables.py`` (``make docs``) writes each between its markers, ``<!-- table: NAME -->`` and ``<!-- end -->``;
a test fails where a document is behind the program.
"""

import ast
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import click

from pilothouse.cli.completion.table import words_of
from pilothouse.cli.group import cli
from pilothouse.cli.manual import every_command
from pilothouse.cli.remote_commands import REMOTE
from pilothouse.console.session.actions import ACTIONS, EVERYWHERE, MOVEMENT, Action
from pilothouse.console.session.views import VIEWS
from pilothouse.console.sites.keys import SITE_ACTIONS
from pilothouse.domain.identity.roles import PERMISSIONS, Permission, Role
from pilothouse.domain.integrations.metric_table import METRICS
from pilothouse.domain.promotion.loosening_keys import KEYS, KeyRule, Looser

DOCUMENTS = Path(__file__).parent
PACKAGE = DOCUMENTS.parent / "src" / "pilothouse"
WORDS = PACKAGE / "cli" / "completion" / "words.json"
"""Words with which shells complete command lines."""
_LAYERS = {
    "cli": "The command line: arguments, tables, JSON, exit codes.",
    "demo": "The demo on real flights.",
    "console": "The console: screens and keys. No rule, no SQL.",
    "daemon": "The daemon: job supervision, hub, schedules, serving processes.",
    "desk": "The desk: holds a workspace for a program that uses the Python package, and takes its calls.",
    "sites": "Sites asked what they are: workspaces of this machine in process, far ones by their own program over SSH.",
    "composition": "Opens a workspace: connects stores and operations.",
    "operations": "The use cases, one function each: permission, policy, change and audit row in one transaction.",
    "execution": "Running jobs: launcher, steps, time-outs, isolation.",
    "store": "SQL on `registry.db`.",
    "telemetry": "SQL on `telemetry.db`: batches in, profiles rolled up, windows out.",
    "artifacts": "Content-addressed files.",
    "foreign": "Registries of others, read and never written: MLflow's server by REST, its SQLite file, files of its versions.",
    "statistics": "Numbers about windows: arrays in, values out. No I/O.",
    "tables": "Files of others as tables: dialect, types and times by one rule at every door.",
    "transparency": "Transparency logs as C2SP writes them down: tree, signed heads, tiles, proofs. Values in, values out.",
    "sqlite": "SQLite: one driver (`pysqlite3`; on ARM a small one over `apsw`), safe connections, transactions.",
    "domain": "Records and rules. Standard library only, no I/O, no clock.",
}
_BESIDE = {
    "api": (
        "`presentation`, `inference`, `artifacts`, `system`, `domain`",
        "The Python package, in a program's own process, which never holds the database.",
    ),
    "presentation": (
        "`domain`",
        "Values to cells, texts and charts. Pure; shared by console, command line and demo.",
    ),
    "serving": (
        "`inference`, `artifacts`, `confinement`, `system`, `domain`",
        "The serving process of a target. The hub shares its few lines of HTTP.",
    ),
    "training": (
        "`inference`, `statistics`, `system`, `domain`",
        "What happens inside a step's process. Started by module name, imported by nobody.",
    ),
    "inference": ("`domain`", "A model from its bytes: safe format, schema, prediction."),
    "confinement": (
        "`domain`",
        "Confinement of steps and serving processes: Landlock, seccomp, namespaces, and which of them the kernel gives.",
    ),
    "signing": (
        "`domain`",
        "Signatures by SSH keys (SSHSIG), certificates, files for `ssh-keygen`, the agent; passphrases.",
    ),
    "interop": (
        "`domain`",
        "Formats of others, written without their libraries: OpenSSF Model Signing, CycloneDX.",
    ),
    "system": ("`domain`", "What the operating system gives: processes, files, paths."),
}
_ROOMS = (
    "cli",
    "operations",
    "statistics",
    "presentation",
    "console",
    "store",
    "telemetry",
    "training",
    "inference",
)
"""Packages whose folders are listed one by one, each by the first sentence of its docstring."""
JSON = "json"
"""The option that every command has that shows something: it stands in the usage line."""
_BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def keys_table() -> str:
    """Every key of the console by view; what a key asks of a role stands last."""
    parts = [
        "\n**In lists and texts**\n\n",
        table(("keys", "what it does"), [(f"`{k}`", w) for k, w in MOVEMENT]),
    ]
    for scope in dict.fromkeys(action.scope for action in ACTIONS):
        title = "Everywhere" if scope == EVERYWHERE else scope.capitalize()
        rows = [_key_row(action) for action in ACTIONS if action.scope == scope]
        parts += [f"\n**{title}**\n\n", table(("keys", "what it does", "permission"), rows)]
    return "".join(parts) + "\n"


def site_keys_table() -> str:
    """Every key of the console of several sites."""
    rows = [_key_row(action)[:2] for action in SITE_ACTIONS]
    return "\n" + table(("keys", "what it does"), rows) + "\n"


def _key_row(action: Action) -> tuple[str, str, str]:
    each = [replace(action, keys=key).shown_keys for key in action.keys.split(",")]
    keys = " ".join(f"`{key}`" for key in each)
    return keys, action.help, str(action.permission) if action.permission else ""


def views_table() -> str:
    """What ``:`` understands."""
    rows = [
        (f"`:{view.usage}`", " ".join(f"`:{alias}`" for alias in view.aliases)) for view in VIEWS.values()
    ]
    return "\n" + table(("view", "also"), rows) + "\n"


def permissions_table() -> str:
    """Which role may do what."""
    roles = [role for role in Role if role is not Role.DAEMON] + [Role.DAEMON]
    rows = [
        (str(permission), *("yes" if permission in PERMISSIONS[role] else "" for role in roles))
        for permission in Permission
    ]
    return "\n" + table(("permission", *map(str, roles)), rows) + "\n"


def commands_reference() -> str:
    """Every command with its arguments and options, in the order of ``pilothouse --help``."""
    parts = ["\n", _options(cli), "\n"]
    for path, command in every_command(cli):
        parts += [
            f"### `{' '.join(path)}`\n\n",
            _description(command),
            _usage(path, command),
            _options(command),
            "\n",
        ]
    return "".join(parts)


def _description(command: click.Command) -> str:
    return (
        inspect.cleandoc(command.help or "") + "\n\n"
    )  # from Python 3.13 on it comes without its indentation


def _usage(path: tuple[str, ...], command: click.Command) -> str:
    words = ["pilothouse", *path]
    words += [p.make_metavar(click.Context(command)) for p in command.params if isinstance(p, click.Argument)]
    words += ["COMMAND"] if isinstance(command, click.Group) else []
    options = {p.name for p in command.params if isinstance(p, click.Option)}
    words += ["[options]"] if options - {JSON} else []
    words += ["[--json]"] if JSON in options else []
    return f"`{' '.join(words)}`\n\n"


def _options(command: click.Command) -> str:
    context = click.Context(command)
    rows = []
    for parameter in command.params:
        if parameter.name == JSON:
            continue
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is not None:
            rows.append((f"`{record[0].replace('|', chr(92) + '|')}`", record[1].replace("|", "\\|")))
    return table(("option", "meaning"), rows) if rows else ""


def layers_table() -> str:
    """The layers as import-linter holds them: a layer may import those below it, never one above or beside it."""
    project = tomllib.loads((DOCUMENTS.parent / "pyproject.toml").read_text("utf-8"))
    contracts = project["tool"]["importlinter"]["contracts"]
    levels = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    rows: list[tuple[str, str]] = []
    for level in levels:
        names = [part.strip().removeprefix("pilothouse.") for part in level.split("|")]
        for place, name in enumerate(names):
            rows.append((f"**`{name}`**" if place == 0 else f"beside it **`{name}`**", _LAYERS[name]))
            rows += _rooms(name)
    return "\n" + table(("layer, from the top", "what it is for"), rows) + "\n"


def beside_table() -> str:
    """The packages that are no layer, with what they may import."""
    rows: list[tuple[str, str, str]] = []
    for name, (imports, purpose) in _BESIDE.items():
        rows.append((f"**`{name}`**", imports, purpose))
        rows += [(room, "", of_room) for room, of_room in _rooms(name)]
    return "\n" + table(("package", "imports", "what it is for"), rows) + "\n"


def _rooms(package: str) -> list[tuple[str, str]]:
    """The folders of a package, each with the first line of its docstring."""
    found = []
    for path in sorted((PACKAGE / package).glob("*/__init__.py")) if package in _ROOMS else []:
        words = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
        found.append((f"`{package}/{path.parent.name}`", words.partition("\n")[0].replace("``", "`")))
    return found


_LOOSER = {
    Looser.RAISED: "higher",
    Looser.LOWERED: "lower",
    Looser.CHANGED: "another",
    Looser.MORE: "more in it",
    Looser.FEWER: "fewer in it",
    Looser.ON: "`true`",
    Looser.OFF: "`false`",
    Looser.WEAKER: "weaker",
    Looser.FEWER_APPROVALS: "fewer of a team",
    Looser.REPLACED: "another, or none",
    Looser.NOT_BETTER: "no longer `better`",
    Looser.LOWER_TIER: "lower, or none",
    Looser.SHORTER: "shorter, or none",
    Looser.LATER: "later, or none",
    Looser.TABLE: "see below",
    Looser.NEVER: "never",
}


def loosening_table() -> str:
    """Every key of a model file with the direction in which it loosens; keys of one table with one rule together."""
    rows: dict[tuple[str, KeyRule], list[str]] = {}
    for key, rule in KEYS.items():
        rows.setdefault((key.rpartition(".")[0], rule), []).append(key)
    return table(
        ("keys", "looser when", "why"),
        [
            (
                ", ".join(f"`{key}`" for key in keys),
                _LOOSER[rule.looser] + (" (`automatic` models only)" if rule.unattended else ""),
                rule.why,
            )
            for (_, rule), keys in rows.items()
        ],
    )


def portable_table() -> str:
    """Every class of scikit-learn that has a portable form, by its module."""
    from pilothouse.inference.portable.conversion.registry import CONVERSIONS

    by_module: dict[str, list[str]] = {}
    for kind in CONVERSIONS:
        module = ".".join(part for part in kind.__module__.split(".") if not part.startswith("_"))
        by_module.setdefault(module, []).append(f"`{kind.__name__}`")
    return table(
        ("module", "classes"),
        [(f"`{module}`", ", ".join(sorted(names))) for module, names in sorted(by_module.items())],
    )


def ops_table() -> str:
    """Every op of the portable form, as the operation that evaluates it says."""
    from pilothouse.inference.portable.evaluation.registry import OPERATIONS

    rows = []
    for name, operation in sorted(OPERATIONS.items()):
        text = " ".join(inspect.cleandoc(operation.__doc__ or "").split())
        rows.append((f"`{name}`", text.removeprefix(f"``{name}``: ").replace("``", "`").replace("|", "\\|")))
    return table(("op", "what it does, with its settings and arrays"), rows)


def remote_table() -> str:
    """Commands that somebody may run over SSH."""
    rows = [(what, ", ".join(f"`{name}`" for name in names)) for what, names in REMOTE.items()]
    return "\n" + table(("for", "commands"), rows) + "\n"


def python_table() -> str:
    """Every public name of the Python package: signatures, fields with their types, and what each is."""
    import pilothouse

    parts = ["\n"]
    by_module: dict[str, list[str]] = {}
    for name, module in pilothouse._PUBLIC.items():
        by_module.setdefault(module, []).append(name)
    for module, names in by_module.items():
        tree = _Unquoted().visit(ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text("utf-8")))
        for node in tree.body:
            if getattr(node, "name", "") in names:
                parts += _public(node)
    return "".join(parts)


def _public(node: ast.AST) -> list[str]:
    """A public function, or a class with its public members, as Markdown."""
    if isinstance(node, ast.FunctionDef):
        return [f"### `ph.{node.name}`\n\n{_first(node)}\n\n- `{_signature(node)}`\n\n"]
    assert isinstance(node, ast.ClassDef)
    lines = [f"### `ph.{node.name}`\n\n{_first(node)}\n\n"]
    for member in node.body:
        if isinstance(member, ast.AnnAssign) and isinstance(member.target, ast.Name):
            lines.append(f"- `{member.target.id}: {ast.unparse(member.annotation)}`\n")
        elif isinstance(member, ast.FunctionDef) and (
            member.name == "__init__" or not member.name.startswith("_")
        ):
            decorators = {ast.unparse(one) for one in member.decorator_list}
            if "property" in decorators:
                lines.append(
                    f"- `{member.name}: {ast.unparse(member.returns) if member.returns else 'Any'}`\n"
                )
            elif "overload" not in decorators and not (
                member.name == "__init__" and "Made by" in _first(node)
            ):
                lines.append(f"- `{_signature(member)}`\n")
            if member.name == "__init__":
                lines += _attributes(member)
    return [*lines, "\n"]


def _attributes(init: ast.FunctionDef) -> list[str]:
    """Public attributes that the constructor sets, with the types that it says."""
    found: dict[str, str] = {}
    for node in ast.walk(init):
        targets = (
            node.targets
            if isinstance(node, ast.Assign)
            else [node.target]
            if isinstance(node, ast.AnnAssign)
            else []
        )
        for target in targets:
            if isinstance(target, ast.Attribute) and not target.attr.startswith("_"):
                kind = ast.unparse(node.annotation) if isinstance(node, ast.AnnAssign) else ""
                found[target.attr] = f": {kind}" if kind else ""
    return [f"- `{name}{kind}`\n" for name, kind in found.items()]


def _signature(node: ast.FunctionDef) -> str:
    returns = f" -> {ast.unparse(node.returns)}" if node.returns is not None else ""
    text = f"{node.name}({ast.unparse(node.args)}){returns}"
    return text.replace("self, ", "").replace("(self)", "()").replace("__init__(", "(").replace("=''", '=""')


class _Unquoted(ast.NodeTransformer):
    """Annotations that are texts, as what they say."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        if isinstance(node.annotation, ast.Constant) and isinstance(node.annotation.value, str):
            node.annotation = ast.parse(node.annotation.value, mode="eval").body
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        if isinstance(node.returns, ast.Constant) and isinstance(node.returns.value, str):
            node.returns = ast.parse(node.returns.value, mode="eval").body
        self.generic_visit(node)
        return node


def _first(node: ast.FunctionDef | ast.ClassDef) -> str:
    """The first paragraph of a docstring."""
    text = inspect.cleandoc(ast.get_docstring(node) or "")
    return " ".join(text.partition("\n\n")[0].split()).replace("``", "`")


def metrics_table() -> str:
    """Every metric of the daemon's page."""
    rows = [
        (
            f"`{metric.series}`",
            metric.kind + (", the daemon's own" if metric.of_daemon else ""),
            ", ".join(f"`{label}`" for label in metric.labels),
            metric.help,
        )
        for metric in METRICS
    ]
    return "\n" + table(("metric", "kind", "labels", "meaning"), rows) + "\n"


TABLES: dict[str, Callable[[], str]] = {
    "keys": keys_table,
    "views": views_table,
    "site-keys": site_keys_table,
    "commands": commands_reference,
    "permissions": permissions_table,
    "layers": layers_table,
    "beside": beside_table,
    "loosening": loosening_table,
    "portable": portable_table,
    "ops": ops_table,
    "remote": remote_table,
    "python": python_table,
    "metrics": metrics_table,
}


def filled(text: str) -> str:
    """A document with its tables as the program gives them now."""
    return _BLOCK.sub(lambda found: found[1] + TABLES[found[2]]() + found[3], text)


def words_text() -> str:
    """Text of the file of words."""
    return json.dumps(words_of(cli), indent=1, ensure_ascii=False) + "\n"


def main() -> int:
    """Bring every document up to date; says which changed."""
    for path in sorted(DOCUMENTS.glob("*.md")):
        before = path.read_text("utf-8")
        after = filled(before)
        if after != before:
            path.write_text(after, "utf-8")
            sys.stdout.write(f"{path.name}: brought up to date\n")
    if not WORDS.exists() or WORDS.read_text("utf-8") != words_text():
        WORDS.write_text(words_text(), "utf-8")
        sys.stdout.write(f"{WORDS.name}: brought up to date\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
