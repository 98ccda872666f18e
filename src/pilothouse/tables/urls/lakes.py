"""Rows of a Delta Lake or Iceberg table at one of its versions, which is on record: read again there, the rows are the same.

Delta Lake is read by ``deltalake``, Iceberg by ``pyiceberg``. DuckDB reads both too, but by extensions that it loads from a
network when it runs, which a step may not.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pyarrow as pa

from pilothouse.domain.errors import InvalidInputError, NotFoundError
from pilothouse.tables.urls.reach import check_url
from pilothouse.tables.urls.secrets import Credentials

_METADATA = re.compile(r"v?(\d+).*\.metadata\.json")


def read_delta(
    location: str, version: int | str | None, credentials: Credentials, skipped: frozenset[str]
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of a Delta Lake table, without ``skipped`` columns. Raises whatever deltalake does."""
    table = _delta(location, version, credentials)
    names = [field.name for field in table.schema().fields if field.name not in skipped]
    rows = pa.RecordBatchReader.from_stream(table.scan(columns=names)).read_all()
    return rows, _delta_facts(table)


def look_at_delta(
    location: str, version: int | str | None, credentials: Credentials
) -> tuple[dict[str, str], dict[str, Any]]:
    """Columns of a Delta Lake table with their types, and which version that is. No file of rows is read."""
    table = _delta(location, version, credentials)
    schema = pa.schema(table.schema().to_arrow())
    return {field.name: str(field.type) for field in schema}, _delta_facts(table)


def _delta(location: str, version: int | str | None, credentials: Credentials) -> Any:
    from deltalake import DeltaTable

    if version is not None and not str(version).isdecimal():
        raise InvalidInputError(
            "data.connection.version: expected the number of a version of the Delta Lake table"
        )
    chosen = None if version is None else int(version)
    return DeltaTable(location, version=chosen, storage_options=_delta_options(location, credentials))


def _delta_facts(table: Any) -> dict[str, Any]:
    return {"version": table.version(), "table_id": str(table.metadata().id)}


def read_iceberg(
    location: str,
    version: int | str | None,
    credentials: Credentials,
    skipped: frozenset[str],
    allow: Sequence[str] | None = None,
) -> tuple[pa.Table, dict[str, Any]]:
    """Rows of an Iceberg table, without ``skipped`` columns: of a metadata file, of the newest one in a table's folder on this
    machine, or of a table in a REST catalogue. Raises whatever pyiceberg does."""
    table, snapshot = _iceberg(location, version, credentials, allow)
    names = [field.name for field in _schema_then(table, snapshot).fields if field.name not in skipped]
    rows = table.scan(snapshot_id=snapshot, selected_fields=tuple(names)).to_arrow()
    return rows, _iceberg_facts(table, snapshot)


def look_at_iceberg(
    location: str, version: int | str | None, credentials: Credentials, allow: Sequence[str] | None = None
) -> tuple[dict[str, str], dict[str, Any]]:
    """Columns of an Iceberg table with their types, and which snapshot that is. No file of rows is read."""
    table, snapshot = _iceberg(location, version, credentials, allow)
    schema = _schema_then(table, snapshot).as_arrow()
    return {field.name: str(field.type) for field in schema}, _iceberg_facts(table, snapshot)


def _iceberg(
    location: str, version: int | str | None, credentials: Credentials, allow: Sequence[str] | None
) -> tuple[Any, int | None]:
    """The table, and the snapshot that is asked for or its newest; None where it has none."""
    from pyiceberg.table import StaticTable

    if version is not None and not str(version).isdecimal():
        raise InvalidInputError("data.connection.version: expected the id of a snapshot of the Iceberg table")
    settings = _iceberg_settings(credentials)
    parts = urlsplit(location)
    if parts.scheme in ("http", "https") and parts.fragment:
        from pyiceberg.catalog import load_catalog

        address = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        catalogue = load_catalog("source", type="rest", uri=address, **settings)
        table: Any = catalogue.load_table(parts.fragment)
        for value in table.io.properties.values():  # where the catalogue says that the files are
            check_url(str(value), allow)
    else:
        settings |= _without_the_machines_keys(parts.scheme, settings)
        table = StaticTable.from_metadata(_metadata_file(location, parts.scheme), settings)
    snapshot = int(version) if version is not None else getattr(table.current_snapshot(), "snapshot_id", None)
    if snapshot is not None and table.snapshot_by_id(snapshot) is None:
        raise NotFoundError(f"data.connection.version: the Iceberg table has no snapshot {snapshot}")
    return table, snapshot


def _schema_then(table: Any, snapshot: int | None) -> Any:
    """Columns as they were at a snapshot: later ones are not in it, and dropped ones are."""
    chosen = None if snapshot is None else table.snapshot_by_id(snapshot)
    return (table.schemas().get(chosen.schema_id) if chosen is not None else None) or table.schema()


def _iceberg_facts(table: Any, snapshot: int | None) -> dict[str, Any]:
    return {"snapshot": snapshot, "metadata": Path(table.metadata_location).name}


def _without_the_machines_keys(scheme: str, settings: dict[str, str]) -> dict[str, str]:
    """Settings by which a store is asked as nobody where no key is given. Raises InvalidInputError for a store with which
    pyiceberg would take keys and roles of the machine all the same."""
    if scheme == "s3":
        return {} if "s3.access-key-id" in settings else {"s3.anonymous": "true"}
    if scheme == "az":
        raise InvalidInputError(
            "data.source: Iceberg's library knows no az://; expected iceberg+abfss://CONTAINER/path with account_name, and "
            "account_key or sas_token, in its credentials"
        )
    has_key = bool({"adls.account-key", "adls.sas-token"} & settings.keys())
    if scheme in ("gs", "gcs") or (scheme in ("abfs", "abfss") and not has_key):
        raise InvalidInputError(
            f"data.source: an Iceberg table on {scheme} would be read with keys of this machine; expected one on s3, or on "
            "Azure with account_key or sas_token in its credentials"
        )
    return {}


def _metadata_file(location: str, scheme: str) -> str:
    """The metadata file that ``location`` names, or the newest one of a table's folder on this machine."""
    if scheme or location.endswith(".json"):
        if not location.endswith(".metadata.json"):
            raise InvalidInputError(
                "data.source: expected the table's metadata file (…/metadata/00003-….metadata.json), "
                "or its catalogue: iceberg+https://host/path#namespace.table"
            )
        return location
    found = [
        (int(match[1]), str(path))
        for path in Path(location, "metadata").glob("*.metadata.json")
        if (match := _METADATA.fullmatch(path.name))
    ]
    if not found:
        raise NotFoundError(
            f"data.source: {location} holds no metadata/*.metadata.json; expected an Iceberg table"
        )
    return max(found)[1]


def _delta_options(location: str, credentials: Credentials) -> dict[str, str] | None:
    own, scheme = credentials.settings, urlsplit(location).scheme
    if scheme == "s3":
        names = {
            "access_key_id": "AWS_ACCESS_KEY_ID",
            "secret_access_key": "AWS_SECRET_ACCESS_KEY",
            "session_token": "AWS_SESSION_TOKEN",
            "endpoint_url": "AWS_ENDPOINT_URL",
            "region": "AWS_REGION",
        }
        options = {names[name]: str(value) for name, value in own.items() if name in names}
        if "access_key_id" not in own:
            options["AWS_SKIP_SIGNATURE"] = "true"  # ask as nobody; the machine's own role is not looked for
        options.setdefault("AWS_REGION", "us-east-1")
        if str(own.get("endpoint_url", "")).startswith("http:"):
            options["AWS_ALLOW_HTTP"] = "true"
        return options
    if scheme in ("az", "abfs", "abfss"):
        names = {
            "account_name": "AZURE_STORAGE_ACCOUNT_NAME",
            "account_key": "AZURE_STORAGE_ACCOUNT_KEY",
            "sas_token": "AZURE_STORAGE_SAS_TOKEN",
        }
        options = {names[name]: str(value) for name, value in own.items() if name in names}
        if not {"account_key", "sas_token"} & own.keys():
            options["AZURE_SKIP_SIGNATURE"] = "true"
        return options
    if scheme in ("gs", "gcs"):
        if "service_account" not in own:
            return {"GOOGLE_SKIP_SIGNATURE": "true"}
        import json

        return {"GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(own["service_account"])}
    return None


def _iceberg_settings(credentials: Credentials) -> dict[str, str]:
    names = {
        "access_key_id": "s3.access-key-id",
        "secret_access_key": "s3.secret-access-key",
        "session_token": "s3.session-token",
        "endpoint_url": "s3.endpoint",
        "region": "s3.region",
        "account_name": "adls.account-name",
        "account_key": "adls.account-key",
        "sas_token": "adls.sas-token",
        "token": "token",
    }
    return {names[name]: str(value) for name, value in credentials.settings.items() if name in names}
