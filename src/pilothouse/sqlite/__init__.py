"""What both databases stand on: one SQLite library, safe settings, transactions that wait instead of failing."""

from .connection import Connection, Row, driver
from .database import Database
from .schema import Schema

__all__ = ["Connection", "Database", "Row", "Schema", "driver"]
