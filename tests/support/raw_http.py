"""HTTP client that costs next to nothing: a load test shares its cores with what it tests."""

import socket

_LONGEST_HEAD = 1 << 16


class RawConnection:
    """Connection to a loopback port, opened at the first request and kept. For one thread."""

    def __init__(self, port: int, timeout_s: float = 30.0) -> None:
        self._port, self._timeout_s = port, timeout_s
        self._socket: socket.socket | None = None

    def post(self, path: str, body: bytes, **headers: str) -> tuple[int, bytes]:
        """Status and body of the answer. Raises OSError, after which the connection is closed."""
        lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
        try:
            if self._socket is None:
                self._socket = socket.create_connection(("127.0.0.1", self._port), self._timeout_s)
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(head.encode() + body)
            return self._answer(self._socket)
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _answer(self, connection: socket.socket) -> tuple[int, bytes]:
        data = b""
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._more(connection)
            if len(data) > _LONGEST_HEAD:
                raise ConnectionError("no end of the head")
        status, length, closes = int(data[9:12]), 0, False
        for line in data[:end].lower().split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            closes |= name == b"connection" and value.strip() == b"close"
        while len(data) < end + 4 + length:
            data += self._more(connection)
        if closes:
            self.close()
        return status, data[end + 4 : end + 4 + length]

    @staticmethod
    def _more(connection: socket.socket) -> bytes:
        if part := connection.recv(1 << 16):
            return part
        raise ConnectionResetError("it ended before the answer")
