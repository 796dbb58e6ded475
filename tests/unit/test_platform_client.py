"""The client's side of faults and requests, against a stand-in for a pod and for what kubectl would say."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler

import pytest

from sandbox import platform
from sandbox.errors import SandboxError
from sandbox.platform import addresses, client, lifecycle
from tests.http_server import serving

SERVICE, PORT = "ai-engine", 3008


class Pod(BaseHTTPRequestHandler):
    """Remembers what it was asked; refuses the fault `nonsense`."""

    asked: list[tuple[str, str, str]]

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        self.asked.append((self.command, self.path, body))
        refused = "nonsense" in body
        self.send_response(400 if refused else 200)
        self.end_headers()
        self.wfile.write(b'{"error": "unknown field"}' if refused else b'{"lines": 3}')

    do_GET = do_POST = do_DELETE = _answer

    def log_message(self, *_: object) -> None:
        pass


class Cluster:
    """Answers the client's kubectl calls: one Service, and pods at these addresses."""

    def __init__(self) -> None:
        self.pods = ["127.0.0.1"]
        self.service = "127.0.0.1"
        self.called: list[tuple[str, ...]] = []

    def kubectl(self, *args: str, **_: object) -> str:
        self.called.append(args)
        if "services" in args:
            items: list[object] = [{"metadata": {"name": SERVICE}, "spec": {"clusterIP": self.service}}]
        else:
            items = [{"metadata": {}, "status": {"podIP": address}} for address in self.pods]
        return json.dumps({"items": items})


@pytest.fixture
def asked() -> Iterator[list[tuple[str, str, str]]]:
    Pod.asked = []
    with serving(Pod, PORT):
        yield Pod.asked


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(client, "kubectl", made.kubectl)
    monkeypatch.setattr(addresses, "kubectl", made.kubectl)
    monkeypatch.setattr(lifecycle, "kubectl", made.kubectl)
    addresses.urls()
    return made


def test_a_fault_reaches_every_pod(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    cluster.pods = ["127.0.0.1", "127.0.0.1"]
    platform.fault(SERVICE, error_rate=0.5)
    assert asked == [("POST", "/faults", '{"error_rate": 0.5}')] * 2


def test_a_refused_fault_says_why(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    with pytest.raises(SandboxError, match=r"POST http://127.0.0.1:3008/faults was refused: .*unknown field"):
        platform.fault(SERVICE, nonsense=1)


def test_an_undeclared_service_is_named() -> None:
    with pytest.raises(SandboxError, match="no service billing is declared"):
        platform.fault("billing", error_rate=1)


def test_faults_are_cleared_by_asking(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    platform.clear_faults(SERVICE)
    assert asked == [("DELETE", "/faults", "")]
    assert not any("delete" in call for call in cluster.called)


def test_a_pod_that_does_not_answer_is_replaced(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "_ask", _no_answer)
        platform.clear_faults(SERVICE)
    assert ("-n", "dharma", "delete", "pod", "-l", f"app={SERVICE}") in cluster.called
    assert asked == [("GET", "/health", "")]  # and waited for


def test_a_service_made_anew_is_found_again(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    cluster.service = "127.0.0.1:1/x"  # leads nowhere
    addresses.urls()
    cluster.service = "127.0.0.1"
    assert platform.request(SERVICE, "GET", "/health").status_code == 200


def test_fewer_lines_than_asked_for_is_an_error(cluster: Cluster, asked: list[tuple[str, str, str]]) -> None:
    platform.log_lines(SERVICE, 3, "ok")
    with pytest.raises(SandboxError, match="wrote 3 of 4 lines"):
        platform.log_lines(SERVICE, 4, "short")


def _no_answer(service: str, *_: object, **__: object) -> None:
    raise SandboxError(f"{service} does not answer")
