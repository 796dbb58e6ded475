module observability-stack/sandbox/toolchain/redis_exporter

go 1.20

require github.com/oliver006/redis_exporter v1.62.0
