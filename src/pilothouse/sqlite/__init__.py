"""SQLite as both databases use it: one library, safe settings, transactions that wait instead of failing."""

from pilothouse.sqlite.connection import Connection, Row, driver
from pilothouse.sqlite.database import Database
from pilothouse.sqlite.schema import Progress, Schema

__all__ = ["Connection", "Database", "Progress", "Row", "Schema", "driver"]
