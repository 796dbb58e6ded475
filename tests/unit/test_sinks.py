"""The sinks answer as the outside world does: private mail after a login only, and a heartbeat that is missed."""

import smtplib
import socket
import ssl
import time
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest

from sandbox import processes, sink_server, sinks
from sandbox.errors import SandboxError
from sandbox.paths import state_dir

HOST = "127.0.0.1"


@pytest.fixture(autouse=True)
def _apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    (state_dir() / "sinks-host").write_text(HOST)


@pytest.fixture
def client() -> Iterator[smtplib.SMTP]:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    server = sink_server.mail_server(HOST, port)
    server.start()
    try:
        with smtplib.SMTP(HOST, port, timeout=10) as client:
            yield client
    finally:
        server.stop()


def trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=sinks.mail_certificates() / "ca.pem")


def mail() -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@sandbox.example", "b@dharma.example", "It burns"
    message.set_content("in plain")
    message.add_alternative("<p>in colour</p>", subtype="html")
    return message


def test_a_mail_is_recorded_with_both_its_texts(client: smtplib.SMTP) -> None:
    client.starttls(context=trusting())
    client.login(sinks.SMTP_USER, sinks.mail_login())
    client.send_message(mail())

    (arrived,) = sinks.received("smtp")
    assert arrived["to"] == ["b@dharma.example"]
    assert arrived["subject"] == "It burns"
    assert (arrived["text"].strip(), arrived["html"].strip()) == ("in plain", "<p>in colour</p>")
    assert arrived["tls"] is True


def test_mail_in_clear_text_is_refused(client: smtplib.SMTP) -> None:
    with pytest.raises(smtplib.SMTPException, match="STARTTLS"):
        client.send_message(mail())
    assert sinks.received("smtp") == []


def test_a_wrong_password_is_refused(client: smtplib.SMTP) -> None:
    client.starttls(context=trusting())
    with pytest.raises(smtplib.SMTPAuthenticationError):
        client.login(sinks.SMTP_USER, "guessed")


def test_mail_without_a_login_is_refused(client: smtplib.SMTP) -> None:
    client.starttls(context=trusting())
    with pytest.raises(smtplib.SMTPException, match=r"[Aa]uthentication"):
        client.send_message(mail())


def test_a_certificate_of_an_unknown_authority_is_noticed(client: smtplib.SMTP) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        client.starttls(context=ssl.create_default_context())


@pytest.mark.parametrize("port", ["PORT", "SMTP_PORT"])
def test_a_port_that_somebody_else_has_is_refused_with_its_holder(port: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as free:
        monkeypatch.setattr(sinks, "SMTP_PORT" if port == "PORT" else "PORT", free.getsockname()[1])
    with socket.create_server((HOST, 0)) as taken:
        monkeypatch.setattr(sinks, port, taken.getsockname()[1])
        with pytest.raises(SandboxError, match=rf"^sinks needs {HOST}:{taken.getsockname()[1]}, which process "):
            sinks.up(HOST)
    assert not processes.alive("sinks")


def test_a_heartbeat_that_stops_is_told_once() -> None:
    heartbeat = sink_server.Heartbeat(0.3)
    for _ in range(4):
        heartbeat.beat()
        time.sleep(0.1)
    assert sinks.received("heartbeat-stopped") == []
    time.sleep(0.6)
    assert sinks.received("heartbeat-stopped") == [{"silent_seconds": 0.3}]
