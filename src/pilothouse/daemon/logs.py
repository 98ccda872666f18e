"""Log of the daemon: one JSON object a line, rotated, readable by its owner alone."""

import json
import logging
import logging.handlers
import os
import sys
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

_LARGEST_BYTES = 10 << 20
"""Bytes at which the log is rotated."""
_KEPT = 5
"""Rotated logs that are kept."""
_LOGGERS = ("pilothouse", "apscheduler", "uvicorn")


LogFormat = Literal["text", "json"]


def open_log(path: Path, form: LogFormat = "text") -> logging.Handler:
    """Send the records of this process to ``path``, and as text to stderr where that is a terminal; with ``json`` as the same
    lines to stderr, whatever it is."""
    path.touch(mode=0o600)
    handler: logging.Handler = logging.handlers.RotatingFileHandler(
        path, maxBytes=_LARGEST_BYTES, backupCount=_KEPT, encoding="utf-8"
    )
    os.chmod(path, 0o600)  # noqa: PTH101 - also for a file that was there before
    handler.setFormatter(_JsonLines())
    handlers = [handler]
    if sys.stderr is not None and (form == "json" or sys.stderr.isatty()):
        terminal = logging.StreamHandler()
        terminal.setFormatter(_JsonLines() if form == "json" else _Text())
        handlers.append(terminal)
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO if name == "pilothouse" else logging.WARNING)
        logger.propagate = False
        logger.handlers = list(handlers)
    return handler


def close_log(handler: logging.Handler) -> None:
    for name in _LOGGERS:
        logging.getLogger(name).handlers = []
        logging.getLogger(name).propagate = True
    handler.close()


def say(logger: logging.Logger, level: int, message: str, **facts: Any) -> None:
    """Log one line: a message for people, facts for programs."""
    logger.log(level, message, extra={"facts": facts})


class _JsonLines(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "part": record.threadName,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        return json.dumps(line, default=str)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S")
        # no control characters on a terminal
        message = json.dumps(record.getMessage(), ensure_ascii=False)[1:-1]
        return f"{at} {record.threadName}: {message}"
