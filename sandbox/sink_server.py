"""python -m sandbox.sink_server HOST: the sinks as a process; sandbox/sinks.py starts it and reads its record."""

import email
import email.policy
import json
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from sandbox import sinks

HEARTBEAT_SECONDS = 150
"""The Watchdog comes once a minute; whoever expects it allows for one that is late."""

_writing = threading.Lock()


def note(channel: str, body: Any) -> None:
    """Appends to the record."""
    line = json.dumps({"time": time.time(), "channel": channel, "body": body})
    with _writing, sinks.record().open("a") as record:
        record.write(line + "\n")


class Heartbeat:
    """Says once that the beats have stopped, `allowed_seconds` after the last one; before the first it says nothing."""

    def __init__(self, allowed_seconds: float = HEARTBEAT_SECONDS) -> None:
        self._allowed = allowed_seconds
        self._timer: threading.Timer | None = None

    def beat(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = threading.Timer(self._allowed, note, ("heartbeat-stopped", {"silent_seconds": self._allowed}))
        self._timer.daemon = True
        self._timer.start()


class _Http(BaseHTTPRequestHandler):
    heartbeat = Heartbeat()

    def do_GET(self) -> None:
        self._answer(200, "ok")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        channel = self.path.strip("/").split("/")[0]
        note(channel, json.loads(body or "null"))
        if channel == "heartbeat":
            self.heartbeat.beat()
        self._answer(202 if channel == "pagerduty" else 200, '{"status":"success"}' if channel == "pagerduty" else "ok")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Silent: the record says it all."""


def http_server(host: str, port: int = sinks.PORT) -> ThreadingHTTPServer:
    """Slack, PagerDuty, webhook and heartbeat, each under its path. Not started yet."""
    return ThreadingHTTPServer((host, port), _Http)


class _Mail:
    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:
        mail = email.message_from_bytes(envelope.content or b"", policy=email.policy.default)  # type: ignore[arg-type]
        parts = {part.get_content_type(): part.get_content() for part in mail.walk() if not part.is_multipart()}
        body = {"to": envelope.rcpt_tos, "from": envelope.mail_from, "subject": str(mail["Subject"])}
        texts = {"text": parts.get("text/plain", ""), "html": parts.get("text/html", "")}
        note("smtp", body | texts | {"tls": session.ssl is not None})
        return "250 OK"


def _authenticate(_: SMTP, __: Session, ___: Envelope, mechanism: str, login: Any) -> AuthResult:
    wanted = LoginPassword(sinks.SMTP_USER.encode(), sinks.mail_login().encode())
    return AuthResult(success=mechanism == "PLAIN" and login == wanted, handled=False)


def mail_server(host: str, port: int = sinks.SMTP_PORT) -> Controller:
    """A mail server that takes mail only after STARTTLS and a login. Not started yet."""
    folder = sinks.mail_certificates()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(folder / "node.pem", folder / "node-key.pem")
    return Controller(
        _Mail(),
        hostname=host,
        port=port,
        tls_context=tls,
        require_starttls=True,
        auth_required=True,
        auth_exclude_mechanism=["LOGIN"],  # its prompts are worded as Alertmanager does not expect them
        authenticator=_authenticate,
    )


if __name__ == "__main__":
    mail_server(sys.argv[1]).start()
    http_server(sys.argv[1]).serve_forever()
