module observability-stack/sandbox/toolchain/alertmanager

go 1.24.0

require github.com/prometheus/alertmanager v0.31.0
