"""A way to the span store that sees what goes there."""

import gzip
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import httpx

from tests.http_server import serving
from tests.native.span_store_process import RunningStore

Seen = Callable[[str, bytes], None]


@contextmanager
def between(store: RunningStore, *, seen: Seen) -> Iterator[str]:
    """Its URL. `seen` gets every request's path and body, unpacked."""
    onward = httpx.Client(base_url=store.url, verify=store.trust(), timeout=60, trust_env=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self._body()
            packed = self.headers.get("Content-Encoding") == "gzip"
            seen(self.path, gzip.decompress(body) if packed else body)
            kept = {
                name: value
                for name, value in self.headers.items()
                if name.lower() not in ("host", "content-length", "transfer-encoding", "accept-encoding", "connection")
            }
            answer = onward.request(self.command, self.path, content=body, headers=kept)
            text = answer.content
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(text)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding") != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            chunks = []
            while length := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(length))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(chunks)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _forward

        def log_message(self, *_: object) -> None: ...

    try:
        with serving(Handler) as url:
            yield url
    finally:
        onward.close()
