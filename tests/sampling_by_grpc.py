"""Asks Jaeger over gRPC how a service is to sample, as the SDKs of Java and Go do."""

from typing import Any

import grpc
from google.protobuf import json_format, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool

_METHOD = "/jaeger.api_v2.SamplingManager/GetSamplingStrategy"

# What is read of jaeger's sampling.proto: message -> field -> (number, type); "[]" is a list.
_MESSAGES: dict[str, dict[str, tuple[int, str]]] = {
    "SamplingStrategyParameters": {"serviceName": (1, "string")},
    "ProbabilisticSamplingStrategy": {"samplingRate": (1, "double")},
    "OperationSamplingStrategy": {
        "operation": (1, "string"),
        "probabilisticSampling": (2, "ProbabilisticSamplingStrategy"),
    },
    "PerOperationSamplingStrategies": {
        "defaultSamplingProbability": (1, "double"),
        "perOperationStrategies": (3, "OperationSamplingStrategy[]"),
    },
    "SamplingStrategyResponse": {
        "probabilisticSampling": (2, "ProbabilisticSamplingStrategy"),
        "operationSampling": (4, "PerOperationSamplingStrategies"),
    },
}
_SCALARS = {"string": FieldDescriptorProto.TYPE_STRING, "double": FieldDescriptorProto.TYPE_DOUBLE}


def strategy(address: str, service: str) -> dict[str, Any]:
    """The strategy for a service from `address` (host:port), in the words in which HTTP gives it."""
    asked = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("sampling.SamplingStrategyParameters"))
    told = message_factory.GetMessageClass(_POOL.FindMessageTypeByName("sampling.SamplingStrategyResponse"))
    with grpc.insecure_channel(address) as channel:
        ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(_METHOD)
        answer = ask(asked(serviceName=service).SerializeToString(), timeout=10)
    found: dict[str, Any] = json_format.MessageToDict(told.FromString(answer))
    return found


def _pool() -> DescriptorPool:
    file = FileDescriptorProto(name="sampling.proto", package="sampling", syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, of) in fields.items():
            label = FieldDescriptorProto.LABEL_REPEATED if of.endswith("[]") else FieldDescriptorProto.LABEL_OPTIONAL
            added = message.field.add(name=field, number=number, label=label)
            if of in _SCALARS:
                added.type = _SCALARS[of]
            else:
                added.type, added.type_name = FieldDescriptorProto.TYPE_MESSAGE, f".sampling.{of.removesuffix('[]')}"
    pool = DescriptorPool()
    pool.Add(file)
    return pool


_POOL = _pool()
