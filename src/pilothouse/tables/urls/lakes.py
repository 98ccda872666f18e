"""Rows of a Delta Lake or Iceberg table at one of its versions, which is on record: read again there, the rows are the same.

Delta Lake is read by ``deltalake``, Iceberg by ``pyiceberg``. DuckDB reads both too, but by extensions that it loads from a
network when it runs, which a step may not.
"""

import re
from collections.abc import Mapping, Sequence
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
    if version is not None and not str(version).isdecimal():
        raise InvalidInputError("data.connection.version: expected the id of a snapshot of the Iceberg table")
    settings = _iceberg_settings(credentials)
    parts = urlsplit(location)
    if parts.scheme in ("http", "https") and parts.fragment:
        address = urlunsplit((parts.scheme, parts.netloc, parts.path, "", ""))
        table = _of_catalogue(address, parts.fragment, settings, allow)
    else:
        settings |= _without_the_machines_keys(parts.scheme, settings)
        table = _of_metadata(_metadata_file(location, parts.scheme), settings)
    snapshot = int(version) if version is not None else getattr(table.current_snapshot(), "snapshot_id", None)
    if snapshot is not None and table.snapshot_by_id(snapshot) is None:
        raise NotFoundError(f"data.connection.version: the Iceberg table has no snapshot {snapshot}")
    return table, snapshot


def _of_metadata(location: str, settings: dict[str, str]) -> Any:
    """The table of a metadata file, whose files are read by our settings alone. pyiceberg would let the table's own properties
    take their place, which name endpoints, and a class of Python that is called."""
    from pyiceberg.catalog.noop import NoopCatalog
    from pyiceberg.io import load_file_io
    from pyiceberg.serializers import FromInputFile
    from pyiceberg.table import StaticTable

    files = _on_one_store(load_file_io(settings, location), location)
    metadata = FromInputFile.table_metadata(files.new_input(location))
    return StaticTable(
        ("source",), metadata=metadata, metadata_location=location, io=files, catalog=NoopCatalog("source")
    )


def _on_one_store(files: Any, location: str) -> Any:
    """pyiceberg's reader of files, which opens no other kind of store than that of ``location``: there it would look for keys
    and roles of the machine."""
    store, opened = _store_of(location), files.new_input

    def new_input(place: str) -> Any:
        if _store_of(place) != store:
            raise InvalidInputError(
                "data.source: a file of the Iceberg table lies in another kind of store than its metadata; expected all in one"
            )
        return opened(place)

    files.new_input = new_input
    return files


def _store_of(place: str) -> str:
    scheme = urlsplit(place).scheme
    return {"file": "", "s3a": "s3", "s3n": "s3", "gcs": "gs", "abfs": "abfss"}.get(scheme, scheme)


def _of_catalogue(address: str, name: str, settings: dict[str, str], allow: Sequence[str] | None) -> Any:
    """A table of a REST catalogue. Of what the catalogue and the table say counts where the files are, where that may be
    reached, and the keys to them: never a class, a header or a signer."""
    from pyiceberg.catalog.rest import RestCatalog

    asked: set[str] = set()

    class Catalogue(RestCatalog):  # type: ignore[misc]  # it has no types where it is not installed
        properties: dict[str, Any]

        def _fetch_config(self) -> None:
            asked.add("configuration")
            super()._fetch_config()
            self.properties = _believed(self.properties)

        def _load_file_io(self, properties: Any = (), location: str | None = None) -> Any:
            asked.add("files")
            own = _believed({**self.properties, **dict(properties)})
            if place := own.get("s3.endpoint"):
                check_url(place, allow)
            own |= _without_the_machines_keys(urlsplit(location or "").scheme, own)
            return _on_one_store(super()._load_file_io(own, location), location or "")

    table = Catalogue("source", uri=address, **settings).load_table(name)
    if asked != {"configuration", "files"}:
        raise InvalidInputError(
            "data.source: this release of pyiceberg reads catalogues in a way that is not known here; expected 0.11 or 0.12"
        )
    return table


_BELIEVED = frozenset(
    {
        *("uri", "prefix", "warehouse", "token", "namespace-separator"),
        *("s3.endpoint", "s3.region", "client.region", "s3.force-virtual-addressing", "s3.anonymous"),
        *("s3.access-key-id", "s3.secret-access-key", "s3.session-token"),
        *("adls.account-name", "adls.account-key", "adls.sas-token"),
        *("gcs.oauth2.token", "gcs.oauth2.token-expires-at"),
    }
)


def _believed(properties: Mapping[str, Any]) -> dict[str, str]:
    """Properties of others that count."""
    return {
        key: str(value)
        for key, value in properties.items()
        if key in _BELIEVED or key.startswith("adls.sas-token.")
    }


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
    has_key = any(key.startswith(("adls.account-key", "adls.sas-token")) for key in settings)
    if (scheme in ("gs", "gcs") and "gcs.oauth2.token" not in settings) or (
        scheme in ("abfs", "abfss") and not has_key
    ):
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
