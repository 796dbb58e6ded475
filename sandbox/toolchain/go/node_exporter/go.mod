module observability-stack/sandbox/toolchain/node_exporter

go 1.24.0

require github.com/prometheus/node_exporter v1.10.1
