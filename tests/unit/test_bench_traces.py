"""The benchmark of traces: what is sent, when, and Jaeger's sample."""

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from bench import spans, traces
from bench.span_programs import sample_document


def test_a_request_holds_one_services_spans_each_with_an_id_of_its_own() -> None:
    request, ids = spans.batch("api-gateway", 500)
    [sent] = ExportTraceServiceRequest.FromString(request).resource_spans
    assert [a.value.string_value for a in sent.resource.attributes if a.key == "service.name"] == ["api-gateway"]
    [scope] = sent.scope_spans
    assert [span.span_id.hex() for span in scope.spans] == ids
    assert len(set(ids)) == 500
    assert len({span.trace_id for span in scope.spans}) == -(-500 // spans.SPANS_OF_A_TRACE)
    assert all(span.end_time_unix_nano > span.start_time_unix_nano for span in scope.spans)


def test_the_services_take_turns() -> None:
    made = [ExportTraceServiceRequest.FromString(one) for one in spans.batches(["a", "b"], 3, 1)]
    assert [one.resource_spans[0].resource.attributes[0].value.string_value for one in made] == ["a", "b", "a"]


def test_the_sample_keeps_what_it_sets_and_gets_the_address_and_the_prefix() -> None:
    document = sample_document("http://127.0.0.4:9200", "sample-0")
    [backend] = document["extensions"]["jaeger_storage"]["backends"].values()
    assert backend["opensearch"]["server_urls"] == ["http://127.0.0.4:9200"]
    assert backend["opensearch"]["indices"]["index_prefix"] == "sample-0"
    assert backend["opensearch"]["indices"]["spans"]["shards"] == 5
    assert "bulk_processing" not in backend["opensearch"]  # it leaves that to Jaeger


class Receiver:
    """Takes every request but one."""

    def __init__(self, refuses: bytes = b"") -> None:
        self.seen: list[bytes] = []
        self._refuses = refuses

    def send(self, request: bytes) -> bool:
        self.seen.append(request)
        return request != self._refuses


def test_each_request_is_sent_once_until_none_is_due_and_refusals_are_counted() -> None:
    receiver, sent = Receiver(refuses=b"7"), traces.Sent()
    requests = [str(number).encode() for number in range(20)]
    traces._send_all(receiver.send, requests, sent, lambda number: number < len(requests))
    assert sorted(receiver.seen) == sorted(requests)
    assert (sent.spans, sent.refused) == (20 * 500, 500)


def test_requests_are_sent_again_when_there_are_too_few() -> None:
    receiver, sent = Receiver(), traces.Sent()
    traces._send_all(receiver.send, [b"a", b"b"], sent, lambda number: number < 6)
    assert sorted(receiver.seen) == [b"a"] * 3 + [b"b"] * 3
