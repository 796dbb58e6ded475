module observability-stack/sandbox/toolchain/jaeger

go 1.24.6

replace github.com/Shopify/sarama => github.com/Shopify/sarama v1.33.0

require github.com/jaegertracing/jaeger v1.76.0
