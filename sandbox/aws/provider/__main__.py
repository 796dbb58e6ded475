"""Starts the provider and tells the engine its port, on the first line of standard output."""

import os
import signal
import sys
import threading
from concurrent import futures

import grpc
from pulumi.runtime.proto import provider_pb2_grpc

from sandbox.aws.provider.server import Provider

_MESSAGE_BYTES = 1024 * 1024 * 400  # as the engine's own plugins have it
_GRACE_SECONDS = 5


def main() -> None:
    """Serves until the engine cancels, ends, or asks to stop."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=16),
        options=[
            ("grpc.max_receive_message_length", _MESSAGE_BYTES),
            ("grpc.max_send_message_length", _MESSAGE_BYTES),
        ],
    )
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(stop), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    parent = os.getppid()
    while not stop.wait(1):
        if os.getppid() != parent:  # the engine was killed: nobody will call any more
            break
    server.stop(_GRACE_SECONDS).wait()


if __name__ == "__main__":
    main()
