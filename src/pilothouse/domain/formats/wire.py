"""Messages between serving processes and the hub, which the store of telemetry takes in.

Bodies are msgpack of these dataclasses (msgspec encodes them as maps). All times are microseconds since 1970, UTC.
"""

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from sys import byteorder

_WIDTHS = {1: "B", 2: "H", 4: "I"}
"""Bytes of a code to the type of ``array`` that has them."""


@dataclass(frozen=True, slots=True)
class CodedTexts:
    """A column of texts by dictionary: row i holds ``vocabulary[codes[i]]``, None where it is missing.

    ``codes`` are little-endian unsigned integers of ``code_width(len(vocabulary))`` bytes, one a row.
    """

    vocabulary: list[str | None]
    codes: bytes

    def __len__(self) -> int:
        return len(self.codes) // code_width(len(self.vocabulary))


@dataclass(frozen=True, slots=True)
class PackedTimings:
    """The requests of a batch, one entry each: little-endian int64 ``rows``, ``latency_us`` and ``at_us``.

    ``called_us`` and ``usual_us`` are empty where they are not known, as earlier releases send it.
    """

    rows: bytes
    latency_us: bytes
    at_us: bytes
    called_us: bytes = b""
    usual_us: bytes = b""

    def __len__(self) -> int:
        return len(self.rows) // 8


def code_width(entries: int) -> int:
    """Bytes of a code for a vocabulary of so many entries: 1, 2 or 4."""
    return 1 if entries <= 1 << 8 else 2 if entries <= 1 << 16 else 4


def code_texts(values: Sequence[str | None]) -> CodedTexts:
    """The column by dictionary, in the order in which the texts first appear."""
    code_of: dict[str | None, int] = {}
    codes = [code_of.setdefault(value, len(code_of)) for value in values]
    return CodedTexts(list(code_of), _packed(_WIDTHS[code_width(len(code_of))], codes))


def pack_timings(requests: "Sequence[RequestTiming]") -> PackedTimings:
    """The same requests, packed."""
    known = any(request.called_us for request in requests)
    return PackedTimings(
        _packed("q", [request.rows for request in requests]),
        _packed("q", [request.latency_us for request in requests]),
        _packed("q", [request.at_us for request in requests]),
        _packed("q", [request.called_us for request in requests if known]),
        _packed("q", [request.usual_us for request in requests if known]),
    )


def pack_numbers(numbers: "Sequence[int]") -> bytes:
    """Little-endian int64, one a number."""
    return _packed("q", list(numbers))


def _packed(kind: str, numbers: list[int]) -> bytes:
    packed = array(kind, numbers)
    if byteorder == "big":
        packed.byteswap()
    return packed.tobytes()


@dataclass(frozen=True, slots=True)
class RequestTiming:
    """One inference request inside a batch: its rows are consecutive."""

    rows: int
    latency_us: int
    at_us: int
    """Time of the answer, by the wall clock."""
    called_us: int = 0
    """Duration of the call of the model that answered it; 0 for a request that shared the call of another, or not known."""
    usual_us: int = 0
    """Duration that this call had had on the machine as it was when the version was loaded, by its processor time."""


@dataclass(frozen=True, slots=True)
class PredictionBatch:
    """Predictions of one version on one target, one producer, in the order in which they were spooled.

    ``numeric[name]`` holds little-endian float64, NaN where missing; ``categorical[name]`` texts, None where missing.
    Texts and requests come packed, or (from the first release, and from whoever writes them by hand) as plain lists.
    ``scores`` is the positive class's probability (binary), the winning class's probability
    (multiclass) or the predicted value (regression). ``labels`` are the predicted classes, empty for a regression.
    Private columns are never in it. ``foreign_ids`` is empty for our own servers, else one id a row.
    """

    producer: str
    sequence: int
    target: str
    model: str
    version: int
    rows: int
    event_times: bytes
    """Little-endian int64 microseconds, one a row."""
    scores: bytes
    """Little-endian float64, one a row."""
    numeric: dict[str, bytes] = field(default_factory=dict)
    categorical: dict[str, list[str | None] | CodedTexts] = field(default_factory=dict)
    labels: list[str] | CodedTexts = field(default_factory=list)
    requests: list[RequestTiming] | PackedTimings = field(default_factory=list)
    errors: int = 0
    """Requests since the batch before that were answered with an error."""
    foreign_ids: list[str] = field(default_factory=list)
    rollout: int = 0
    """Roll-out whose trial was under way when these were answered, each by one of its two versions; 0 where none was, and for
    requests that asked for a version by its number."""
    share: float = 0.0
    """Share of requests that went to the challenger of that trial, to each where there are several; 0 in the shadow."""
    draws: bytes = b""
    """Little-endian int64, one a request of a canary: hash of the key by which its version was drawn, with the roll-out's salt;
    0 for a request without a key. Empty where it is not known."""
    failed_draws: bytes = b""
    """The same of the requests that were answered with an error."""
    traces: list[str] | CodedTexts = field(default_factory=list)
    """Trace context of each row's request as ``trace_context.stored_text`` writes it, an empty text for a row without; empty
    where no row has one, as from earlier releases."""


@dataclass(frozen=True, slots=True)
class PairedRequests:
    """Requests that both versions of a trial answered, one entry each; their rows are consecutive in the batch.

    ``producers`` with the little-endian int64 ``sequences`` and ``offsets`` is the id of a request's first row as the champion
    answered it; those of its other rows count on. ``champion_us`` and ``challenger_us`` are the processor time of the calls
    of the two models in microseconds, 0 where a call answered other requests too.
    """

    producers: CodedTexts
    sequences: bytes
    offsets: bytes
    rows: bytes
    champion_us: bytes
    challenger_us: bytes

    def __len__(self) -> int:
        return len(self.rows) // 8


@dataclass(frozen=True, slots=True)
class PairBatch:
    """Answers of two versions to the same rows on one target, one producer, in the order in which they were spooled.

    Times, scores and labels are as in ``PredictionBatch``. ``dropped``, ``failed`` and ``unfit`` count requests since the batch
    before that the champion answered and the challenger did not: because too many waited, because it failed, because it needs
    other columns.
    """

    producer: str
    sequence: int
    target: str
    rollout: int
    model: str
    champion: int
    challenger: int
    rows: int
    event_times: bytes
    champion_scores: bytes
    challenger_scores: bytes
    champion_labels: CodedTexts
    challenger_labels: CodedTexts
    requests: PairedRequests
    dropped: int = 0
    failed: int = 0
    unfit: int = 0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one prediction: a number, or the class as text."""

    prediction_id: str
    value: float | str


LONGEST_CLASS = 1_024
"""Characters of a class that is an outcome."""
AN_OUTCOME = f"a finite number, or a class of at most {LONGEST_CLASS:,} characters"


def is_outcome(value: object) -> bool:
    """Whether a value can be an outcome of any model, at whatever door it comes: ``AN_OUTCOME``. Whether it is one of the
    model's classes, or a number for a regression, is found where its prediction is known."""
    if isinstance(value, str):
        return len(value) <= LONGEST_CLASS
    try:
        return isinstance(value, int | float) and math.isfinite(value)
    except OverflowError:  # an integer beyond what a float holds
        return False


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """The hub's answer after its commit. ``duplicate`` says that the batch was there already (counted once); ``reasons`` how
    many rows were rejected for which."""

    accepted: int
    rejected: int
    duplicate: bool = False
    reasons: dict[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class LabelReceipt:
    """``waiting``: the prediction is not here yet and the outcome is kept; ``conflicts``: another value was there;
    ``rejected`` by ``reasons``; ``without``: rows that name no prediction or no outcome."""

    joined: int
    waiting: int
    conflicts: int
    duplicates: int = 0
    rejected: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    without: int = 0

    def plus(self, other: "LabelReceipt") -> "LabelReceipt":
        """Both together."""
        reasons = dict(self.reasons)
        for reason, count in other.reasons.items():
            reasons[reason] = reasons.get(reason, 0) + count
        return LabelReceipt(
            self.joined + other.joined,
            self.waiting + other.waiting,
            self.conflicts + other.conflicts,
            self.duplicates + other.duplicates,
            self.rejected + other.rejected,
            reasons,
            self.without + other.without,
        )


@dataclass(frozen=True, slots=True)
class DesiredVersion:
    """Version that a target should serve of one model: artifact digests to fetch, verify and load."""

    model: str
    version: int
    model_digest: str
    schema_digest: str
    portable_digest: str = ""
    """Portable form of the model, which is loaded first; empty where there is none."""
    timezone: str = ""
    """Zone of times in requests that carry none, as of the rows that the version learnt from; empty: they are refused."""
    excluded: tuple[str, ...] = ()
    """Columns that were left out of the training, and are of a request."""

    @property
    def digests(self) -> tuple[str, ...]:
        """All its artifacts."""
        return tuple(filter(None, (self.schema_digest, self.portable_digest, self.model_digest)))


@dataclass(frozen=True, slots=True)
class BaselineQuestion:
    """Question of a serving process of this machine for the latency of a version without traffic, which another one may have
    measured. With figures it tells what it has measured itself, after it was asked to."""

    model: str
    version: int
    release: str
    beside: bool
    """Measured by another thread than answers requests, as challengers are."""
    p95_us: int = 0
    """95th percentile of a request of one row in microseconds; 0 where the process asks."""
    stretch: float = 0.0
    """Duration of the calls over their processor time."""


@dataclass(frozen=True, slots=True)
class BaselineAnswer:
    """The hub's answer to ``POST /v1/baseline``. ``p95_us`` 0: the process is to measure it."""

    p95_us: int
    stretch: float


@dataclass(frozen=True, slots=True)
class DesiredTrial:
    """Version that a target should try beside the live one of its model: the challenger of a roll-out.

    In the ``shadow`` it answers copies of requests, whose answers nobody sees; as a ``canary`` it answers a ``share`` (0 to 1)
    of the requests, chosen by a hash of their keys with ``salt``. Of ``arms`` challengers that share the requests each has as
    large a share, at its ``place`` from 0 on; what belongs to one that is not there is answered as outside of the trial.
    """

    rollout: int
    version: DesiredVersion
    mode: str
    share: float = 0.0
    salt: str = ""
    place: int = 0
    arms: int = 1


@dataclass(frozen=True, slots=True)
class DesiredState:
    """The hub's answer to ``GET /v1/desired``; ``revision`` changes when anything in it does."""

    target: str
    revision: str
    versions: list[DesiredVersion]
    private_columns: dict[str, list[str]] = field(default_factory=dict)
    trials: list[DesiredTrial] = field(default_factory=list)
    traced: float = 0.0
    """Share of requests whose spans are wanted; 0 for none."""


@dataclass(frozen=True, slots=True)
class TrialReport:
    """State of a trial as its serving process reports it: ``answers``, ``loading`` or ``failed``; the reason why it failed, or
    why the challenger answers no request though it is loaded."""

    rollout: int
    model: str
    version: int
    mode: str
    state: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RequestSpan:
    """Span of a served request. ``trace`` has 32 hexadecimal digits, ``span`` and ``parent`` 16 (the latter may be empty)."""

    trace: str
    span: str
    parent: str
    start_ns: int
    end_ns: int
    model: str
    version: int
    rows: int
    status: int
    prediction: str = ""
    """Id of its first prediction; empty where it was not answered."""
    called_at_ns: int = 0
    """Begin of the call of the model that answered it, maybe with others, and its duration; 0 where there was none."""
    called_ns: int = 0


@dataclass(frozen=True, slots=True)
class ClockReading:
    """Clock of a serving process against the hub's: ahead by ``skew_us`` microseconds (behind where negative), which is wrong
    by ``bound_us`` at most: half of the round trip in which it was measured."""

    skew_us: int
    bound_us: int


@dataclass(frozen=True, slots=True)
class ReportReceipt:
    """The hub's answer to a report: when that came, and when it was answered, by the hub's clock in microseconds since 1970; 0
    from a hub of an earlier release."""

    received_us: int = 0
    answered_us: int = 0


@dataclass(frozen=True, slots=True)
class ServingReport:
    """Report of a serving process about itself, every two seconds or so, and when it has changed."""

    target: str
    port: int
    pid: int
    loaded: dict[str, int]
    """Model name to the version that answers now."""
    failed: dict[str, str]
    """Model name to why its desired version could not be loaded; the version before goes on answering."""
    spooled_batches: int
    baseline_latency_us: dict[str, int] = field(default_factory=dict)
    """Model name to the p95 of one row measured on this machine when the version was loaded."""
    trials: list[TrialReport] = field(default_factory=list)
    clock: ClockReading | None = None
    """The process's clock against the hub's; None before it was measured."""
