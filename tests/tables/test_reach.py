"""Where a source by URL may lead: looked up before a driver starts, and at each connection of a Python socket."""

import http.server
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from pilothouse.domain.errors import InvalidInputError
from pilothouse.domain.tables.source_url import source_url
from pilothouse.domain.tables.table_form import TableForm
from pilothouse.tables.urls.fetching import Wanted, fetch
from pilothouse.tables.urls.reach import check_source, check_url, reaching
from pilothouse.tables.urls.secrets import Credentials, credentials_of

NOBODY = Credentials()


@pytest.fixture
def redirecting() -> Iterator[str]:
    """URL of a server on 127.0.0.1 that sends everybody to 127.0.0.2."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("location", f"http://127.0.0.2:{self.server.server_port}/")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    "source",
    [
        "http://169.254.169.254/latest/meta-data/x.csv",
        "https://127.0.0.1/rows.csv",
        "http://[::ffff:10.0.0.1]/rows.csv",
        "http://0x7f000001/rows.csv",
        "postgresql+psycopg://localhost/flights",
        "postgresql+psycopg:///flights",
        "postgresql://192.0.2.1:5432,10.0.0.1:5432/flights",
        "mysql+pymysql://10.1.2.3/flights",
        "iceberg+https://127.0.0.1/catalogue#a.b",
    ],
)
def test_a_source_on_this_machine_or_a_private_network_is_refused(source: str) -> None:
    with pytest.raises(InvalidInputError, match=r"\[sources\] of integrations.toml"):
        check_source(source_url(source), NOBODY, ())
    assert check_source(source_url(source), NOBODY, None) == []


def test_the_endpoint_that_credentials_name_is_looked_at_too() -> None:
    credentials = Credentials(settings={"endpoint_url": "http://127.0.0.1:9000"})
    with pytest.raises(InvalidInputError, match="loopback"):
        check_source(source_url("s3://bucket/x"), credentials, ())
    assert check_source(source_url("s3://bucket/x"), credentials, ("127.0.0.1",)) == []
    with pytest.raises(InvalidInputError, match="link-local"):
        check_url("http://169.254.169.254/", ())
    with pytest.raises(InvalidInputError, match="private"):
        check_url("10.0.0.1:9000", ("127.0.0.1",))


def test_what_is_allowed_is_reached_by_the_addresses_that_were_looked_up() -> None:
    url = source_url("postgresql+psycopg://127.0.0.1/flights")
    assert check_source(url, NOBODY, ("127.0.0.0/8",)) == ["127.0.0.1"]
    assert (
        check_source(source_url("postgresql+psycopg://127.0.0.1,127.0.0.1/f"), NOBODY, ("127.0.0.1",)) == []
    )


def test_a_redirect_to_a_place_that_is_not_allowed_is_not_followed(redirecting: str) -> None:
    with pytest.raises(InvalidInputError, match=r"127\.0\.0\.2"), reaching(("127.0.0.1",)):
        urllib.request.urlopen(redirecting, timeout=10)
    with pytest.raises(urllib.error.URLError):  # nobody listens there: it was tried
        urllib.request.urlopen(redirecting, timeout=10)


def test_a_host_that_is_allowed_by_its_name_is_reached_by_its_address(redirecting: str) -> None:
    port = int(redirecting.rpartition(":")[2].rstrip("/"))
    with reaching(("localhost",)), socket.create_connection(("127.0.0.1", port), 10):
        pass
    with pytest.raises(InvalidInputError), reaching(("elsewhere.invalid",)):
        socket.create_connection(("127.0.0.1", port), 10)


def test_the_refusal_is_one_line_that_says_where_it_is_allowed(tmp_path: Path) -> None:
    form = TableForm(missing=(), timezone="UTC")
    wanted = Wanted(source_url("http://169.254.169.254/x.csv"), form, allow=())
    with pytest.raises(InvalidInputError) as error:
        fetch(wanted, tmp_path / "objects")
    assert str(error.value) == (
        "data.source: 169.254.169.254: its host has a link-local address: name host or address "
        'in "allow" of [sources] of integrations.toml where that is meant'
    )


@pytest.mark.parametrize("path", ["public/../secret/x.csv", "public/%2e%2e/secret/x.csv", "public/./x.csv"])
def test_credentials_are_sent_along_no_path_that_leads_back(path: str) -> None:
    secret = '{"for": "https://host/public", "authorization": "Bearer abcdefgh"}'
    with pytest.raises(InvalidInputError, match=r"has \. or \.\. in its path"):
        credentials_of(secret, f"https://host/{path}", is_database=False)
    assert credentials_of(secret, "https://host/public/x..csv", is_database=False).settings
