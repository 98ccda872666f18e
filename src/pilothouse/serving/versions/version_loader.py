"""Loader of versions: fetches their files from the hub, verifies, loads and measures them."""

import contextlib
import hashlib
import importlib
import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from pilothouse import __version__
from pilothouse.artifacts import ArtifactStore
from pilothouse.domain.errors import IntegrityError, NotFoundError, PilothouseError, UnavailableError
from pilothouse.domain.formats.safe_text import one_line
from pilothouse.domain.formats.wire import BaselineQuestion, DesiredVersion
from pilothouse.inference.predictor import Predictor
from pilothouse.inference.safe_format import tie
from pilothouse.serving.delivery.hub_client import HubClient
from pilothouse.serving.libraries import SKOPS_LIBRARIES
from pilothouse.serving.prediction.calls import Work
from pilothouse.serving.versions.baseline import Baseline, measure_baseline, rehearse
from pilothouse.serving.versions.kept_baselines import KeptBaselines
from pilothouse.serving.versions.live_versions import LoadedVersion, load_predictor

log = logging.getLogger(__name__)


class CannotLoadError(PilothouseError):
    """Reason why a version cannot be loaded."""


class CannotFetchError(CannotLoadError):
    """The hub is away: nothing is said against the version."""


class VersionLoader:
    """Files of a target's versions in its folder, and what is loaded of them. For one thread."""

    def __init__(
        self,
        folder: Path,
        hub: HubClient,
        submit: Callable[[Work], None],
        stopping: threading.Event,
        *,
        beside: bool = False,
    ) -> None:
        """``submit`` takes the requests with which a version is measured, until ``stopping``; ``beside``: not in the way of
        clients' requests, so that the figures compare with others of that kind alone."""
        self._hub, self._submit, self._stopping, self._beside = hub, submit, stopping, beside
        # verified whenever they are read, and on disk soon after (``settle``): no version waits for the disk before it answers
        self._artifacts = ArtifactStore(folder / "artifacts", durable=False)
        self._unsettled: set[str] = set()
        self._baselines = KeptBaselines(folder)

    def load(
        self,
        version: DesiredVersion,
        private: tuple[str, ...],
        needed: Sequence[DesiredVersion] | None = None,
        *,
        again: bool = False,
        predictor: Predictor | None = None,
    ) -> LoadedVersion:
        """Version that is fetched, loaded, and has answered requests for its baseline, which is kept with those of ``needed``
        where they are given. ``again``: the process before this one served it, so that one that it measured counts;
        ``predictor``: it is loaded already.

        Raises CannotLoadError with the reason, whatever it is.
        """
        try:
            loaded = LoadedVersion(
                version, predictor or self._fetched_predictor(version), private, baseline_us=0
            )
            baseline = self._baseline(loaded, needed, again)
        except CannotFetchError:
            raise
        except PilothouseError as error:
            raise CannotLoadError(f"{self._tie(version)}{error}") from None
        except Exception as error:  # a model may raise anything while it is tried
            log.debug("loading failed", exc_info=True)
            raise CannotLoadError(f"{self._tie(version)}{type(error).__name__}: {error}") from None
        return replace(loaded, baseline_us=baseline.p95_us, stretch=baseline.stretch)

    def settle(self) -> None:
        """Make what was fetched survive a power cut."""
        try:
            self._artifacts.sync(self._unsettled)
        except OSError as error:  # it would be fetched again
            log.warning("artifacts cannot be flushed to disk: %s", error.strerror)
        self._unsettled.clear()

    def forget_but(self, versions: Iterable[DesiredVersion]) -> None:
        """Remove artifacts that none of these versions needs."""
        needed = {digest for version in versions for digest in version.digests}
        for digest in [digest for digest in self._artifacts.digests() if digest not in needed]:
            with contextlib.suppress(OSError, NotFoundError):
                self._artifacts.path(digest).unlink()

    def _tie(self, version: DesiredVersion) -> str:
        """Words before the reason why a version cannot be loaded: that another scikit-learn wrote it, and what helps."""
        try:
            tied = tie(self._artifacts.read(version.model_digest))
        except PilothouseError:  # it did not even come
            return ""
        return f"{tied}; where the former is installed, pilothouse upgrade --convert helps: " if tied else ""

    def _fetched_predictor(self, version: DesiredVersion) -> Predictor:
        """Predictor of a version whose files are fetched: the skops file, and what reading one takes, only where the portable
        form does not do. Raises PilothouseError."""
        self._fetch(version.schema_digest)
        if version.portable_digest:
            try:
                self._fetch(version.portable_digest)
                return load_predictor(version, self._artifacts)
            except PilothouseError as error:
                log.warning("%s/%d: %s", version.model, version.version, one_line(str(error)))
        self._fetch(version.model_digest)
        _import_libraries()
        return load_predictor(version, self._artifacts)

    def _baseline(
        self, loaded: LoadedVersion, needed: Sequence[DesiredVersion] | None, again: bool
    ) -> Baseline:
        """Baseline of a version, which has answered for it. Raises as ``measure_baseline`` does."""
        baseline = self._baselines.find(loaded.version) if again else None
        is_kept = baseline is not None
        if baseline is None:
            baseline = self._shared(loaded.version)
        if baseline is not None:
            rehearse(loaded, self._submit, self._stopping)
        else:
            baseline = measure_baseline(loaded, self._submit, self._stopping)
            self._shared(loaded.version, baseline)
        if needed is not None and not is_kept:
            self._baselines.keep(loaded.version, baseline, needed)
        return baseline

    def _shared(self, version: DesiredVersion, measured: Baseline | None = None) -> Baseline | None:
        """Baseline that another process of this machine has measured, where the hub knows one; with ``measured`` tell it. None
        where this process is to measure."""
        if not self._hub.is_local:
            return None
        figures = (measured.p95_us, measured.stretch) if measured else ()
        question = BaselineQuestion(version.model, version.version, __version__, self._beside, *figures)
        try:
            found = self._hub.baseline(question)
        except PilothouseError as error:  # it is away, or of an earlier release
            log.debug("no baseline from the hub: %s", error)
            return None
        return Baseline(found.p95_us, found.stretch) if found.p95_us else None

    def _fetch(self, digest: str) -> None:
        """Fetch an artifact into the folder, its bytes verified. Raises PilothouseError."""
        try:
            self._artifacts.read(digest)
            return
        except NotFoundError:
            pass
        except IntegrityError as error:
            log.warning("%s; fetching it again", error)
            self._artifacts.path(digest).unlink(missing_ok=True)
        try:
            data = self._hub.artifact(digest)
        except UnavailableError as error:
            raise CannotFetchError(str(error)) from None
        actual = hashlib.sha256(data).hexdigest()
        if actual != digest:
            raise IntegrityError(f"the hub sent {actual} for artifact {digest}; not loaded")
        self._artifacts.put_bytes(data)
        self._unsettled.add(digest)


def _import_libraries() -> None:
    """Import what loading a skops file imports, which takes seconds where it is for the first time; the load is a fraction."""
    for name in SKOPS_LIBRARIES:
        importlib.import_module(name)
