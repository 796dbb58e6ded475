module observability-stack/sandbox/toolchain/postgres_exporter

go 1.23.0

require github.com/prometheus-community/postgres_exporter v0.17.1
