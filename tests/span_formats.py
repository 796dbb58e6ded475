"""One span in each protocol that Jaeger's collector takes, as bytes on the wire."""

import struct
import time
from dataclasses import dataclass
from typing import Any

OPERATION = "hand made"


@dataclass(frozen=True)
class Span:
    """A span of a millisecond that has just ended; its trace has no other."""

    service: str
    trace_id: str  # 32 hexadecimal digits

    @property
    def span_id(self) -> str:
        return self.trace_id[:16]


def otlp_json(span: Span) -> dict[str, Any]:
    now = time.time_ns()
    made = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": OPERATION,
        "kind": 2,
        "startTimeUnixNano": str(now - 10**6),
        "endTimeUnixNano": str(now),
    }
    name = {"key": "service.name", "value": {"stringValue": span.service}}
    return {"resourceSpans": [{"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [made]}]}]}


def zipkin_json(span: Span) -> list[dict[str, Any]]:
    return [
        {
            "traceId": span.trace_id,
            "id": span.span_id,
            "name": OPERATION,
            "timestamp": time.time_ns() // 1000,
            "duration": 1000,
            "localEndpoint": {"serviceName": span.service},
        }
    ]


def jaeger_thrift(span: Span) -> bytes:
    """jaeger.thrift's Batch in Thrift's binary protocol."""
    made = (
        _thrift_i64(1, int(span.trace_id[16:], 16))
        + _thrift_i64(2, int(span.trace_id[:16], 16))
        + _thrift_i64(3, int(span.span_id, 16))
        + _thrift_i64(4, 0)
        + _thrift_string(5, OPERATION)
        + struct.pack(">bhi", 8, 7, 1)  # flags: sampled
        + _thrift_i64(8, time.time_ns() // 1000)
        + _thrift_i64(9, 1000)
        + b"\0"
    )
    process = struct.pack(">bh", 12, 1) + _thrift_string(1, span.service) + b"\0"
    return process + struct.pack(">bhbi", 15, 2, 12, 1) + made + b"\0"


def _thrift_i64(field: int, value: int) -> bytes:
    return struct.pack(">bh", 10, field) + struct.pack(">Q", value)


def _thrift_string(field: int, value: str) -> bytes:
    return struct.pack(">bhi", 11, field, len(value)) + value.encode()


GRPC_METHOD = "/jaeger.api_v2.CollectorService/PostSpans"


def jaeger_grpc(span: Span) -> bytes:
    """api_v2's PostSpansRequest."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    made = (
        _proto(1, bytes.fromhex(span.trace_id))
        + _proto(2, bytes.fromhex(span.span_id))
        + _proto(3, OPERATION.encode())
        + _proto(6, _proto_number(1, seconds) + _proto_number(2, nanoseconds))
        + _proto(7, _proto_number(2, 10**6))
    )
    return _proto(1, _proto(1, made) + _proto(2, _proto(1, span.service.encode())))


def _varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def _proto(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _proto_number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)
