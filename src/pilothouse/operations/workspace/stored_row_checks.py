"""Whether stored rows, windows and packs are as they were written: the doctor's check of what telemetry.db holds as bytes."""

from pilothouse.domain.errors import IntegrityError
from pilothouse.operations.services import Services
from pilothouse.telemetry.intake import streams
from pilothouse.telemetry.verifying import damaged_parts

_READ_UP_TO = 64 << 20
"""Bytes of telemetry.db that are read without being asked for: a second or two."""
_NAMED = 5
"""Damaged parts that are named at most."""


def examine(services: Services, full: bool) -> str:
    """Raises IntegrityError where something is damaged, with the names of the first parts."""
    path = services.paths.telemetry
    if not path.exists():
        return "nothing has arrived yet"
    size = path.stat().st_size
    if not full and size > _READ_UP_TO:
        return f"of {size:,} bytes no row, window or pack was read: --full does it"
    with services.telemetry.read() as connection:
        listed = streams.list_streams(connection)
    damaged: list[str] = []
    for stream in listed:
        with (
            services.telemetry.read() as connection
        ):  # one stream at a time: a long read keeps the log from shrinking
            damaged += damaged_parts(connection, stream)
    if damaged:
        more = f"; and {len(damaged) - _NAMED:,} more" if len(damaged) > _NAMED else ""
        raise IntegrityError(
            f"damaged: {'; '.join(damaged[:_NAMED])}{more}. Monitoring of these ends where it reads them: restore telemetry.db "
            "from a backup"
        )
    return f"rows, windows and packs are as they were written; streams: {len(listed):,}"
