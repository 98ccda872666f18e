"""What a site says of itself, as a value."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from pilothouse.domain.monitoring.monitoring import Health
from pilothouse.domain.sites.answers import SiteAnswer, SiteFigures, SiteItem

MakeSite = Callable[..., Path]
NOW = datetime(2026, 5, 3, 12, tzinfo=UTC)
FIGURES = SiteFigures(
    made_at=NOW, release="1.0", health=Health.DEGRADED, alerts=3, requests=1, jobs=2, schema=19
)
ITEM = SiteItem(kind="alert", key="7", state="critical", subject="delay/1 on jfk", text="auc fell", at=NOW)
ANSWER = SiteAnswer(
    schema=19, knows=19, release="1.0", actor="pat (approver)", figures=FIGURES, items=(ITEM,)
)
