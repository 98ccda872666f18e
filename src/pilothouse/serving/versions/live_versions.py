"""Live version of each model. The roster is swapped whole, so that a request sees one state of it and keeps its version."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import IntegrityError, NotFoundError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import DesiredVersion
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.schema import InputSchema
from pilothouse.serving.delivery.pair_records import PairStream
from pilothouse.serving.delivery.segments import Stream
from pilothouse.serving.prediction.call_costs import CallCosts

log = logging.getLogger(__name__)

SHADOW, CANARY = "shadow", "canary"
"""Kinds of trials."""


@dataclass(frozen=True, slots=True)
class LoadedVersion:
    """Version that can answer. A request that began on it ends on it, whatever is swapped meanwhile."""

    version: DesiredVersion
    predictor: Predictor
    private: tuple[str, ...]
    baseline_us: int
    """95th percentile of a request of one row in microseconds, measured in this process before the version answered."""
    stretch: float = 1.0
    """Duration of a call over its processor time in that measurement: the load of the machine under which it was taken."""
    costs: CallCosts = field(default_factory=CallCosts, compare=False)
    rollout: int = 0
    """Roll-out in whose trial it answers, and the share of the challenger; 0 for answers outside of one."""
    share: float = 0.0
    stream: Stream = field(init=False)
    """Stream in which its predictions are spooled, with the columns that are kept: private ones never."""
    schema: InputSchema = field(init=False, compare=False)
    """Schema by which its requests are read."""

    def __post_init__(self) -> None:
        schema, version = self.predictor.schema, self.version
        if version.timezone or version.excluded:
            schema = replace(schema, timezone=version.timezone, excluded=version.excluded)
        object.__setattr__(self, "schema", schema)
        hidden = {*self.private, *self.schema.private}
        stream = Stream(
            self.version.model,
            self.version.version,
            tuple(name for name in self.schema.numeric if name not in hidden),
            tuple(name for name in self.schema.categorical if name not in hidden),
            self.rollout,
            self.share,
        )
        object.__setattr__(self, "stream", stream)


@dataclass(frozen=True, slots=True)
class LoadedArm:
    """Challenger of a trial at its ``place`` from 0 on: as it answers in the trial, and as it answers those who ask for it by
    its number."""

    place: int
    version: LoadedVersion
    named: LoadedVersion
    unfit: str = ""
    """Reason why it answers none of the champion's requests; empty where it does."""


@dataclass(frozen=True, slots=True)
class LoadedTrial:
    """Challengers beside the live version of their model, all as they answer in a roll-out's trial (``versions.trials``)."""

    rollout: int
    mode: str
    share: float
    salt: bytes
    champion: LoadedVersion
    challengers: tuple[LoadedArm, ...]
    """Those that are loaded, by their places; at least one. A shadow has one."""
    arms: int = 1
    """Challengers among which the requests are shared out, each with ``share``, whether they are loaded or not."""
    outside: LoadedVersion | None = None
    """Champion as it answers the requests of a challenger that is not there: they belong to no arm. None: as ``champion``."""
    pairs: PairStream = field(init=False)
    """Stream in which the pairs of a shadow are spooled."""

    def __post_init__(self) -> None:
        champion, challenger = self.champion.version, self.challenger.version
        stream = PairStream(self.rollout, champion.model, champion.version, challenger.version)
        object.__setattr__(self, "pairs", stream)

    @property
    def challenger(self) -> LoadedVersion:
        """First challenger that is loaded: the one of a shadow."""
        return self.challengers[0].version

    @property
    def unfit(self) -> str:
        """Reason why that one answers none of the champion's requests; empty where it does."""
        return self.challengers[0].unfit


@dataclass(frozen=True, slots=True)
class Roster:
    """Desired and live versions of this process at one moment. ``failed``: why a model's desired version could not be
    loaded."""

    known: bool = False
    """False until the hub, or the kept state, has named the desired versions."""
    desired: Mapping[str, DesiredVersion] = field(default_factory=dict)
    live: Mapping[str, LoadedVersion] = field(default_factory=dict)
    kept: Mapping[str, LoadedVersion] = field(default_factory=dict)
    """Version that was live before, by model, while it is kept for clients that ask for it by its number."""
    failed: Mapping[str, str] = field(default_factory=dict)
    trials: Mapping[str, LoadedTrial] = field(default_factory=dict)
    """Trials that go on, by model."""

    @property
    def ready(self) -> bool:
        """True while every model that this target should serve has a live version, whichever it is."""
        return self.known and all(model in self.live for model in self.desired)

    def only(self) -> LoadedVersion | None:
        """Live version of the only model that this process is to serve; None where there are several, or it is not live."""
        if len(self.desired) != 1:
            return None
        return self.live.get(next(iter(self.desired)))

    def find(self, model: str, version: str | None) -> LoadedVersion:
        """Live version of ``model``; with a ``version`` number, that one, as long as it is loaded.

        Raises NotFoundError, or UnavailableError for what is desired and not live yet: trying again helps.
        """
        loaded = self.live.get(model)
        if loaded is None:
            if not self.known:
                raise UnavailableError("what is served here is not known yet; try again")
            if model in self.desired:
                why = self.failed.get(model, "it is being loaded; try again")
                raise UnavailableError(f"model {one_line(model, 80)} is not loaded: {why}")
            known = ", ".join(sorted(self.desired)) or "none"
            raise NotFoundError(f"there is no model {one_line(model, 80)} here; served: {known}")
        if version is None or version == str(loaded.version.version):
            return loaded
        for other in self._others(model):
            if version == str(other.version.version):
                return other
        raise NotFoundError(
            f"version {one_line(version, 40)} of {model} is not loaded; version {loaded.version.version} is live"
        )

    def loaded(self, model: str) -> list[LoadedVersion]:
        """Versions of ``model`` that answer, by number."""
        live = [self.live[model]] if model in self.live else []
        return sorted([*live, *self._others(model)], key=lambda loaded: loaded.version.version)

    def _others(self, model: str) -> list[LoadedVersion]:
        """Versions that answer those alone who ask for them: the one before, and the canaries."""
        trial, kept = self.trials.get(model), self.kept.get(model)
        is_canary = trial is not None and trial.mode == CANARY
        tried = [arm.named for arm in trial.challengers] if is_canary and trial is not None else []
        found = {other.version.version: other for other in (*tried, kept) if other is not None}
        return list(found.values())


def load_predictor(version: DesiredVersion, artifacts: ArtifactStore) -> Predictor:
    """Predictor of a version whose artifacts are there, from its portable form where that is one of them.

    A portable form that cannot be read is left for the skops file, if that is there. Raises IntegrityError, NotFoundError,
    UnavailableError.
    """
    schema = InputSchema.from_bytes(artifacts.read(version.schema_digest))
    if schema.model != version.model:
        raise IntegrityError(f"the schema of {version.model} is {one_line(schema.model, 80)}'s")
    if version.portable_digest:
        try:
            return Predictor(artifacts.read(version.portable_digest), schema)
        except (IntegrityError, NotFoundError) as error:
            if not artifacts.has(version.model_digest):
                raise
            log.warning(
                "%s/%d: %s; its skops file is loaded", version.model, version.version, one_line(str(error))
            )
    return Predictor(artifacts.read(version.model_digest), schema)
