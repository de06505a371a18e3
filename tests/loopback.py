"""A provider on loopback: real sockets, real TLS."""

import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from headscale_oidc import ProviderError

Answer = tuple[int, dict[str, str], bytes]
Route = Callable[[], Answer] | Callable[[Mapping[str, str]], Answer]
Routes = dict[str, Route]
"""By path: what answers, given nothing or the request's headers."""


def as_json(value: Any) -> Answer:
    """A JSON answer."""
    return 200, {"Content-Type": "application/json"}, json.dumps(value).encode()


class Quiet(ThreadingHTTPServer):
    """A server that says nothing of refused handshakes, which the tests provoke."""

    def handle_error(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def serving(routes: Routes, context: ssl.SSLContext | None = None) -> Iterator[str]:
    """A server on loopback; yields its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            self.headers["X-Test-Body"] = self.rfile.read(length).decode()
            self.do_GET()

        def do_GET(self) -> None:
            self.headers["X-Test-Address"] = self.path
            route: Any = routes.get(self.path.partition("?")[0], lambda: (404, {}, b""))
            wanted = route.__code__.co_argcount
            status, headers, body = route(self.headers) if wanted else route()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = Quiet(("127.0.0.1", 0), Handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        scheme = "http" if context is None else "https"
        yield f"{scheme}://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def raw(answer: bytes, *, pause: float = 0.0) -> Iterator[str]:
    """A server that sends these bytes to one connection and closes it; byte by byte with a pause."""
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):  # who has waited long enough goes away
            connection.recv(4096)
            if not pause:
                connection.sendall(answer)
            for byte in answer if pause else b"":
                if gone.wait(pause):
                    break
                connection.sendall(bytes([byte]))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        gone.set()
        listener.close()
        thread.join(timeout=5)


def tls(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """A server's context with a certificate for these names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


def document(base: str, **changes: Any) -> dict[str, Any]:
    """A discovery document."""
    return {
        "issuer": f"{base}/realms/corp",
        "jwks_uri": f"{base}/keys",
        "userinfo_endpoint": f"{base}/userinfo",
        "id_token_signing_alg_values_supported": ["RS256", "HS256"],
        **changes,
    }


def problem(call: Callable[[], object]) -> ProviderError:
    """The error of a call that asks a provider, which names a remedy."""
    with pytest.raises(ProviderError) as caught:
        call()
    assert caught.value.remedy
    return caught.value
