"""A page on this machine alone, for the person who has its address: loopback, a secret path, and four kinds of answers.

No part of a request becomes a path in the file system. See docs/security.md.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
import sys
import time
from email.message import Message
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from gan_bench.api.hooks import LivePage
from gan_bench.errors import GanBenchError

LOOPBACK = "127.0.0.1"
ROUTES = re.compile(
    r"/([\w-]{1,64})/(?:(?P<page>)|update\?since=(?P<since>[0-9]{1,9})|part/(?P<part>[0-9]{1,7})|picture/(?P<picture>[0-9a-f]{64}))"
)
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the page itself says what else
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
Answer = tuple[HTTPStatus, str, bytes]  # status, type of the content, content


def listen(port: int) -> socket.socket:
    """A socket on this port of the loopback device; 0 takes a free one. GanBenchError: it is taken, or not for us."""
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise GanBenchError(
            f"port {port} can't be had ({error.strerror}); give another --port, or none for a free one"
        ) from error


def new_token() -> str:
    """A path that nobody guesses: other users of this machine reach its loopback device too."""
    return secrets.token_urlsafe(24)


def address(listener: socket.socket, token: str) -> str:
    """Where a browser finds the page."""
    return f"http://{LOOPBACK}:{listener.getsockname()[1]}/{token}/"


class Server(ThreadingHTTPServer):
    """Serves one page to whoever knows its token."""

    daemon_threads = True

    def __init__(self, listener: socket.socket, token: str, page: LivePage) -> None:
        super().__init__(listener.getsockname(), Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.token, self.page = token, page
        self.hosts = [f"{name}:{listener.getsockname()[1]}" for name in (LOOPBACK, "localhost")]
        self.asked = float("-inf")  # when the page has last asked for anything
        self.told = float("-inf")  # when it had asked for what it was answered last

    def answer(self, path: str, headers: Message, asked: float) -> Answer:
        """What a GET of this path gets, which came at this time (`time.monotonic`)."""
        # A page of any other site can have the browser come here, by a name of its own too, but not hide that.
        hosts = headers.get_all("Host", [])
        if len(hosts) != 1 or hosts[0] not in self.hosts:
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        if any(origin not in [f"http://{host}" for host in self.hosts] for origin in headers.get_all("Origin", [])):
            return _refusal(HTTPStatus.FORBIDDEN)
        route = ROUTES.fullmatch(path)
        if route is None or not hmac.compare_digest(route[1].encode(), self.token.encode()):
            return _refusal(HTTPStatus.NOT_FOUND)
        self.asked = asked
        if route["since"] is not None:
            return HTTPStatus.OK, "application/json", self.page.update(int(route["since"])).encode()
        if route["part"] is not None:
            part = self.page.part(int(route["part"]))
            return (
                _refusal(HTTPStatus.NOT_FOUND)
                if part is None
                else (HTTPStatus.OK, "text/html; charset=utf-8", part.encode())
            )
        if route["picture"] is None:
            return HTTPStatus.OK, "text/html; charset=utf-8", self.page.page().encode()
        picture = self.page.picture(route["picture"])
        return _refusal(HTTPStatus.NOT_FOUND) if picture is None else (HTTPStatus.OK, "image/png", picture)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Server
    protocol_version = "HTTP/1.1"  # one connection for all of a page's requests
    server_version, sys_version = "gan-bench", ""
    timeout = 60  # seconds, of a connection that nothing comes through

    def do_GET(self) -> None:
        """Answer."""
        asked = time.monotonic()
        status, kind, content = self.server.answer(self.path, self.headers, asked)
        self.send_response(status)
        for name, value in (HEADERS | {"Content-Type": kind, "Content-Length": str(len(content))}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)
        self.server.told = max(self.server.told, asked)

    do_HEAD = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: a line for every request would bury what training says."""


def _refusal(status: HTTPStatus) -> Answer:
    return status, "text/plain; charset=utf-8", status.phrase.encode()
