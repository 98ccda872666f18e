"""What both databases stand on: one SQLite library, safe settings, transactions that wait instead of failing."""

from .connection import Connection, connect, driver
from .database import Database, translate_errors

__all__ = ["Connection", "Database", "connect", "driver", "translate_errors"]
