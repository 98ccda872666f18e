"""The templates, and how one is written into a folder."""

from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pilothouse.domain.errors import ConflictError, NotFoundError
from pilothouse.domain.formats.toml_text import quoted
from pilothouse.domain.rollouts.plan_file import PLANS_FILE
from pilothouse.operations.templates import made_data
from pilothouse.system.files import write_atomically


@dataclass(frozen=True, slots=True)
class Template:
    """A template; its model has its name."""

    name: str
    task: str
    target: str
    """Where its versions run."""
    outcome: str
    """Column of the outcome in its data."""
    line: str


_ALL = (
    Template(
        "fraud",
        "binary",
        "payments",
        "fraud",
        "payments by card; a train.py whose trees keep an order of risk",
    ),
    Template(
        "churn",
        "binary",
        "crm",
        "churned",
        "customers who leave; a contract of columns, gates for each slice",
    ),
    Template(
        "hourly-forecast",
        "regression",
        "grid",
        "load",
        "electricity a day ahead; features that are known by then, a schedule",
    ),
    Template(
        "triage",
        "multiclass",
        "clinic",
        "urgency",
        "messages to a clinic; a train.py and a gate for the costly mistake",
    ),
)
TEMPLATES = {template.name: template for template in _ALL}


def template_of(name: str) -> Template:
    """The template of that name. Raises NotFoundError."""
    if name not in TEMPLATES:
        raise NotFoundError(f"no template {name!r}; there are {', '.join(TEMPLATES)}")
    return TEMPLATES[name]


def check_room(root: Path, template: Template) -> None:
    """Raise ConflictError where a file that the template writes is there already."""
    for name in (*_texts(template, ""), *_data(template)):
        if (path := root / name).exists() or path.is_symlink():
            raise ConflictError(f"{path} exists already: a template overwrites nothing; name a new folder")


def write(root: Path, template: Template, owner: str) -> list[Path]:
    """Write the template's files for ``owner`` and make its data; returns the files. Raises ConflictError."""
    check_room(root, template)
    texts = _texts(template, owner)
    for name, text in texts.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(root / name, text.encode(), mode=0o644)
    made_data.write(template.name, root / "data")
    return [root / name for name in (*texts, *_data(template))]


def _texts(template: Template, owner: str) -> dict[str, str]:
    """Texts by path in the workspace's folder."""
    package = files(__package__)
    folder, model = package / "files", f"models/{template.name}"
    readme = (folder / "README.md").read_text("utf-8")
    for mark, value in (
        ("NAME", template.name),
        ("TARGET", template.target),
        ("OUTCOME", template.outcome),
    ):
        readme = readme.replace(mark, value)
    own = sorted((folder / template.name).iterdir(), key=lambda file: file.name)
    return {
        "README.md": readme,
        PLANS_FILE: (folder / PLANS_FILE).read_text("utf-8"),
        **{
            f"{model}/{file.name}": file.read_text("utf-8").replace('"OWNER"', quoted(owner))
            for file in own
            if file.name.endswith((".toml", ".py"))
        },
        "data/made_data.py": (package / "made_data.py").read_text("utf-8"),
        "data/send.py": (folder / "send.py").read_text("utf-8"),
    }


def _data(template: Template) -> tuple[str, str]:
    return f"data/{template.name}.csv", f"data/{template.name}-later.csv"
