module observability-stack/sandbox/toolchain/wire

go 1.19

require github.com/google/wire v0.7.0
