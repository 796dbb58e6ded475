module observability-stack/sandbox/toolchain/pause

go 1.24
