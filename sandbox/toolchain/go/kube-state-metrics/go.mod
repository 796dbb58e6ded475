module observability-stack/sandbox/toolchain/kube-state-metrics

go 1.24.0

require k8s.io/kube-state-metrics/v2 v2.16.0
