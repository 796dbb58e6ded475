module observability-stack/sandbox/toolchain/elasticsearch_exporter

go 1.23.0

require github.com/prometheus-community/elasticsearch_exporter v1.9.0
