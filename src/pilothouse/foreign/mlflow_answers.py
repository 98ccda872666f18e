"""What MLflow's tracking server answers, as records."""

from array import array
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pilothouse.domain.errors import UnavailableError
from pilothouse.domain.imported.names import read_number, read_whole, stored_text, stored_texts
from pilothouse.domain.imported.records import Curve, ForeignModel, ForeignRun, ForeignVersion, Point


def model_of(plain: Mapping[str, Any]) -> ForeignModel:
    """Registered model of an answer."""
    aliases = {
        str(one.get("alias", "")): read_whole(one.get("version")) for one in mappings(plain, "aliases")
    }
    return ForeignModel(
        workspace=stored_text(plain.get("workspace") or "default"),
        name=stored_text(plain.get("name")),
        description=stored_text(plain.get("description")),
        created_ms=read_whole(plain.get("creation_timestamp")),
        updated_ms=read_whole(plain.get("last_updated_timestamp")),
        tags=pairs(plain, "tags"),
        aliases={stored_text(alias): number for alias, number in aliases.items() if number is not None},
    )


def version_of(plain: Mapping[str, Any]) -> ForeignVersion:
    """Version of an answer. Raises UnavailableError where it is none."""
    number = read_whole(plain.get("version"))
    if number is None or not plain.get("name"):
        raise UnavailableError(
            "the server names a version without a model or a number: is it a tracking server?"
        )
    return ForeignVersion(
        workspace=stored_text(plain.get("workspace") or "default"),
        model=stored_text(plain["name"]),
        number=number,
        created_ms=read_whole(plain.get("creation_timestamp")),
        updated_ms=read_whole(plain.get("last_updated_timestamp")),
        description=stored_text(plain.get("description")),
        user=stored_text(plain.get("user_id")),
        stage=stored_text(plain.get("current_stage")),
        status=stored_text(plain.get("status")),
        source=stored_text(plain.get("source")),
        run=stored_text(plain.get("run_id")),
        tags=pairs(plain, "tags"),
    )


def run_of(
    plain: Mapping[str, Any], experiments: Mapping[str, str], curves: Mapping[str, Curve]
) -> ForeignRun:
    """Run of an answer, with the name of its experiment and its curves by metric."""
    info, data = mapping(plain, "info"), mapping(plain, "data")
    inputs = [
        {
            **{
                name: stored_text(mapping(one, "dataset").get(name))
                for name in ("name", "digest", "source_type", "source", "schema", "profile")
            },
            "tags": pairs(one, "tags"),
        }
        for one in mappings(mapping(plain, "inputs"), "dataset_inputs")
    ]
    outputs = [
        {"model": stored_text(one.get("model_id")), "step": read_whole(one.get("step")) or 0}
        for one in mappings(mapping(plain, "outputs"), "model_outputs")
    ]
    return ForeignRun(
        id=stored_text(id_of(plain)),
        experiment=experiments.get(str(info.get("experiment_id", "")), ""),
        name=stored_text(info.get("run_name")),
        user=stored_text(info.get("user_id")),
        status=stored_text(info.get("status")),
        lifecycle=stored_text(info.get("lifecycle_stage")),
        started_ms=read_whole(info.get("start_time")),
        ended_ms=read_whole(info.get("end_time")),
        artifacts=stored_text(info.get("artifact_uri")),
        params=pairs(data, "params"),
        metrics={stored_text(one.get("key")): point_of(one) for one in mappings(data, "metrics")},
        tags=pairs(data, "tags"),
        inputs=inputs,
        outputs=outputs,
        curves={key: curve for key, curve in curves.items() if curve.seen > 1},
    )


def point_of(plain: Mapping[str, Any]) -> Point:
    """Point of a metric. Raises UnavailableError where its value is no number."""
    try:
        value = read_number(plain.get("value", 0.0))
    except ValueError as error:
        raise UnavailableError(f"a metric of the server: {error}") from None
    return (read_whole(plain.get("step")) or 0, read_whole(plain.get("timestamp")) or 0, value)


class Gathered:
    """Points of one curve as they come, in 24 bytes each, whatever their order."""

    def __init__(self, points: Iterable[Point] = ()) -> None:
        self._steps, self._times, self._values = array("q"), array("q"), array("d")
        self._last: Point | None = None
        self._is_ordered = True
        for point in points:
            self.add(point)

    def add(self, point: Point) -> None:
        """Take the next point."""
        self._steps.append(point[0])
        self._times.append(point[1])
        self._values.append(point[2])
        last, self._last = self._last, point
        if last is not None and point[0] <= last[0] and self._is_ordered:
            self._is_ordered = _order(last) <= _order(point)

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Point]:
        return zip(self._steps, self._times, self._values, strict=True)

    def curve(self) -> Curve:
        """The curve, in the order of its steps."""
        return Curve(self if self._is_ordered else sorted(self, key=_order))


def _order(point: Point) -> tuple[int, int, bool, float]:
    """Place of a point in its curve; one that is no number after the others."""
    step, time, value = point
    is_nan = value != value
    return (step, time, is_nan, 0.0 if is_nan else value)


def id_of(run: Mapping[str, Any]) -> str:
    """Id of a run of an answer."""
    return str(mapping(run, "info").get("run_id", ""))


def pairs(plain: Mapping[str, Any], name: str) -> dict[str, str]:
    """Texts by key of a list of keys and values."""
    return stored_texts({str(one.get("key", "")): one.get("value") for one in mappings(plain, name)})


def mapping(plain: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Object of that name; an empty one where there is none."""
    found = plain.get(name)
    return found if isinstance(found, dict) else {}


def mappings(plain: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    """Objects of the list of that name; none where there is no such list."""
    found = plain.get(name)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
