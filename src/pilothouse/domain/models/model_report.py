"""Report of a model: what one shows of it to somebody who has no console."""

from dataclasses import dataclass
from datetime import datetime

from pilothouse.domain.models.model_pictures import ComparedPictures
from pilothouse.domain.monitoring.monitoring import MonitorView
from pilothouse.domain.records import Model, Run, Version


@dataclass(frozen=True, slots=True)
class ModelReport:
    """A version with its run and pictures, all versions of its model (the newest first), and what its targets' monitors
    found. ``cut``: versions that are left out."""

    made_at: datetime
    made_by: str
    model: Model
    version: Version
    run: Run
    metric: str
    versions: tuple[Version, ...]
    cut: int
    pictures: ComparedPictures
    monitors: tuple[MonitorView, ...] = ()
