"""Route of a serving process: its path, what it takes and answers, and how the published description speaks of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pilothouse.serving.bodies.forms import Form
from pilothouse.serving.delivery.pair_records import PairStream
from pilothouse.serving.pages.traffic import Traffic
from pilothouse.serving.prediction.shadow import ShadowCounts
from pilothouse.serving.versions.live_versions import LoadedVersion, Roster
from pilothouse.serving.web import http
from pilothouse.serving.web.compression import Headers

Names = Mapping[str, str]
"""Parts of a path that its pattern leaves open, by their names: ``model``, ``version``."""
Schema = Mapping[str, Any]
"""JSON schema."""


@dataclass(frozen=True, slots=True)
class Standing:
    """State of the process beside its versions, at one moment."""

    traffic: Traffic
    waiting: int = 0
    """Requests that are being answered."""
    segments: int = 0
    """Sealed segments that the hub has not taken, and their bytes."""
    spooled_bytes: int = 0
    rejected: Mapping[tuple[str, int], int] | None = None
    """Predictions that the hub has rejected, by version."""
    secured: bool = False
    """True where requests need a token."""
    shadows: Mapping[PairStream, ShadowCounts] = field(default_factory=dict)
    """Requests that were, or were not, compared in the shadow."""
    spans_dropped: int = 0
    """Spans of requests that were not handed to the hub."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What an answer of the moment is made from."""

    roster: Roster
    names: Names
    headers: Headers
    standing: Callable[[], Standing]

    def loaded(self) -> LoadedVersion:
        """Version that the path names: the live one, where it has no number. Raises NotFoundError or UnavailableError."""
        return self.roster.find(self.names["model"], self.names.get("version"))

    def numbers(self) -> list[int]:
        """Numbers of the model's versions that answer."""
        return [loaded.version.version for loaded in self.roster.loaded(self.names["model"])]


Answering = Callable[[Asked], http.Answer]


@dataclass(frozen=True, slots=True)
class Route:
    """``pattern`` is a path in which ``{model}`` stands for a part of any text. A route has either an answer of the moment or
    the form of its predictions. It is in the published description where it has a ``summary``."""

    pattern: str
    methods: tuple[str, ...]
    answer: Answering | None = None
    form: Form | None = None
    open: bool = False
    """True where it is answered without a token."""
    summary: str = ""
    response: Callable[[LoadedVersion | None], Schema] | None = None
    """Schema of its answer, for a version where the path names one; None where it is not JSON."""
    media: str = "application/json"
    """Media type of its answer."""
    is_binary_too: bool = False
    """True where an answer may be binary tensor data behind JSON."""
    bodies: Callable[[LoadedVersion], Mapping[str, Schema]] | None = None
    """Schemas of its bodies by media type; None where it takes none."""
    failures: Sequence[int] = ()
    """Statuses of its errors, beside those of every route."""
