module observability-stack/sandbox/toolchain/blackbox_exporter

go 1.22

require github.com/prometheus/blackbox_exporter v0.26.0
