"""Is an address free to listen on?"""

import errno
import socket

import psutil

from sandbox.errors import SandboxError


def require_free(host: str, port: int, name: str) -> None:
    """Raises SandboxError, with the process that has it, when `name` could not listen on host:port."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise SandboxError(
                    f"{name} needs {host}:{port}, which {_holder(port)} has; end that process and run this again"
                ) from error
            raise SandboxError(f"{name} cannot listen on {host}:{port}: {error.strerror}; is the node up?") from error


def _holder(port: int) -> str:
    """The process that listens on the port, as far as we may see it."""
    try:
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr
            if listens and listens.port == port and connection.pid is not None:
                return f"process {connection.pid} ({psutil.Process(connection.pid).name()})"
    except psutil.Error:
        pass
    return "another process"
