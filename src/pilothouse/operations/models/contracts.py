"""Contracts of models: inferred from the rows of a training, checked on files, in the model file, to and from pandera."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pilothouse.domain.errors import ConflictError, InvalidInputError, NotFoundError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.toml_text import quoted
from pilothouse.domain.identifiers import check_name
from pilothouse.domain.identity.roles import Actor, Permission
from pilothouse.domain.models.contract import ColumnRule
from pilothouse.domain.models.model_file import load_spec
from pilothouse.domain.models.model_spec import ModelSpec
from pilothouse.domain.models.target_file import TargetDescription
from pilothouse.domain.tables.table_form import training_form
from pilothouse.interop.pandera_contracts import contract_of, schema_yaml
from pilothouse.operations.authorisation import authorise, reading
from pilothouse.operations.catalogue import require_run
from pilothouse.operations.models.what_is_left import left_of
from pilothouse.operations.services import Services
from pilothouse.operations.workspace_texts import read_targets
from pilothouse.store.models import versions
from pilothouse.system.files import write_atomically

if TYPE_CHECKING:
    import pyarrow as pa

    from pilothouse.tables.contracts import Breach

_LARGEST_SCHEMA = 1 << 20
_YAML = "yaml"
"""Module of the package pyyaml."""


@dataclass(frozen=True, slots=True)
class Checked:
    """Rows of a file that were checked, and what breaks the contract."""

    rows: int
    columns: int
    breaches: "tuple[Breach, ...]"

    def plain(self) -> dict[str, Any]:
        """As JSON data, with the examples as texts."""
        return {
            "rows": self.rows,
            "columns": self.columns,
            "kept": not self.breaches,
            "breaches": [{**asdict(breach), "text": breach.text} for breach in self.breaches],
        }


@dataclass(frozen=True, slots=True)
class ModelText:
    """A model file on disk, and the targets of the workspace, among which it may select."""

    path: Path
    text: str
    spec: ModelSpec
    targets: Mapping[str, TargetDescription] | None = None


def model_text(services: Services, actor: Actor, model: str) -> ModelText:
    """The model file of a model's folder, as it is now. Raises NotFoundError, ModelFileError."""
    authorise(services, actor, Permission.READ)
    path = services.paths.root / "models" / check_name(model, "model") / "model.toml"
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise NotFoundError(f"{path} cannot be read: {error.strerror}; expected the model's file") from None
    targets = read_targets(services.paths.root)
    return ModelText(path, text, load_spec(text, f"models/{model}/model.toml", targets), targets)


def inferred_contract(
    services: Services, actor: Actor, file: ModelText, source: Path | None
) -> dict[str, ColumnRule]:
    """Contract that the rows of the newest version's training keep, or those of a file. Columns that are carried along are left
    out: their values may say who somebody is. Raises NotFoundError, InvalidInputError."""
    from pilothouse.tables.contracts import inferred

    table = _training_rows(services, actor, file.spec) if source is None else _rows_of(file.spec, source)
    data = file.spec.data
    names = [
        data.timestamp,
        data.target,
        *data.features,
        *(name for name in data.slices if name not in data.features),
    ]
    listed = [name for name in names if name in table.column_names]
    categories = {data.target, *data.categoricals, *data.slices}
    return inferred(table.select(listed), open_values=[name for name in listed if name not in categories])


def contract_text(contract: dict[str, ColumnRule]) -> str:
    """Tables ``[contract.COLUMN]`` of a model file."""
    parts = []
    for name, rule in contract.items():
        lines = [f"[contract.{_key(name)}]", f'type = "{rule.type}"']
        lines += ["nullable = true"] if rule.nullable else []
        lines += [
            f"{key} = {_number(value)}"
            for key in ("minimum", "maximum")
            if (value := getattr(rule, key)) is not None
        ]
        if rule.values:
            values = (quoted(v) if isinstance(v, str) else _number(float(v)) for v in rule.values)
            lines.append(f"values = [{', '.join(values)}]")
        lines += ["unique = true"] if rule.unique else []
        lines += [f"pattern = {quoted(rule.pattern)}"] if rule.pattern is not None else []
        lines += (
            [f"tolerance = {_number(rule.tolerance)}"]
            if rule.tolerance != ColumnRule("text").tolerance
            else []
        )
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def write_contract(
    services: Services, actor: Actor, file: ModelText, contract: dict[str, ColumnRule]
) -> None:
    """Write the contract at the end of the model file. Raises NotAllowedError, ConflictError, ModelFileError."""
    authorise(services, actor, Permission.APPLY)
    if file.spec.contract:
        raise ConflictError(
            f"{file.path}: has a contract; take its [contract.…] tables out first, or --plan prints the new ones"
        )
    text = f"{file.text.rstrip()}\n\n{contract_text(contract)}"
    load_spec(text, file.path.name, file.targets)
    if file.path.read_text("utf-8") != file.text:
        raise ConflictError(f"{file.path}: was changed meanwhile; run it again")
    write_atomically(file.path, text.encode())


def check_file(file: ModelText, source: Path, *, features: bool) -> Checked:
    """Hold the rows of a file against the contract; with ``features`` those columns alone that a model is asked with. Raises
    InvalidInputError, NotFoundError."""
    from pilothouse.tables.contracts import breaches

    contract = file.spec.contract
    if not contract:
        raise NotFoundError(f"{file.path}: has no contract; write one with pilothouse contract infer")
    if features:
        contract = {name: rule for name, rule in contract.items() if name in file.spec.data.features}
    table = _rows_of(file.spec, source)
    data = file.spec.data
    shown = {*data.features, *data.slices, data.target, data.timestamp}
    found = breaches(table, contract, [name for name in table.column_names if name not in shown])
    return Checked(table.num_rows, len(contract), tuple(found))


def exported_contract(file: ModelText) -> str:
    """The contract as YAML of a schema of pandera. Raises NotFoundError."""
    if not file.spec.contract:
        raise NotFoundError(f"{file.path}: has no contract; write one with pilothouse contract infer")
    return schema_yaml(file.spec.contract)


def imported_contract(path: Path) -> tuple[dict[str, ColumnRule], list[str]]:
    """Contract in a YAML file of pandera, and what of it a contract cannot say. Raises InvalidInputError."""
    try:
        yaml = import_module(_YAML)
    except ImportError:
        raise InvalidInputError(
            "reading YAML takes pyyaml, which is not installed: pip install 'pilothouse[contracts]'"
        ) from None
    if path.stat().st_size > _LARGEST_SCHEMA:
        raise InvalidInputError(f"{path}: is over 1 MiB; expected a schema")
    try:
        contract, notes = contract_of(yaml.safe_load(path.read_text("utf-8")))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInputError(f"{path}: is no YAML: {one_line(str(error), 200)}") from None
    if not contract:
        raise InvalidInputError(f"{path}: holds no column of a contract; {'; '.join(notes[:3])}")
    return contract, notes


def _training_rows(services: Services, actor: Actor, spec: ModelSpec) -> "pa.Table":
    import pyarrow.parquet as pq

    with reading(services, actor) as connection:
        found = versions.listed(connection, spec.name)
        newest = max(found, key=lambda version: version.number, default=None)
        if newest is None:
            raise NotFoundError(
                f"{spec.name} has no version whose rows to take; train one, or name a file with --from"
            )
        digest = require_run(connection, newest).snapshot.artifact_digest
    digest = left_of(services, digest)  # where rows were erased, what is left of them
    services.artifacts.read(digest)
    return pq.read_table(services.artifacts.path(digest))


def _rows_of(spec: ModelSpec, source: Path) -> "pa.Table":
    from pilothouse.tables.reader import read_folder

    table, _ = read_folder(source, training_form(spec))
    return table


def _key(name: str) -> str:
    return name if name.replace("_", "").replace("-", "").isalnum() and name.isascii() else quoted(name)


def _number(value: float) -> str:
    return repr(float(value))
