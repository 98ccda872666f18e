"""How a table of the registry is shown as it was: which rows existed, and which columns had another value then."""

from collections.abc import Mapping
from dataclasses import dataclass

WALL = "(SELECT w.wall FROM temp.past_walls w WHERE w.model_id = t.{key})"
OF_MODEL = WALL.format(key="model_id")
OF_REQUEST = (
    "(SELECT w.wall FROM temp.past_walls w JOIN main.promotion_requests r ON r.model_id = w.model_id "
    "WHERE r.id = t.request_id)"
)


@dataclass(frozen=True, slots=True)
class View:
    """Condition of the rows of a table ``t`` that existed, and SQL of the columns that had another value then."""

    where: str = "1"
    columns: Mapping[str, str] = None  # type: ignore[assignment]
