"""Settings and declarations in, text out: what the tools read, rendered by pure functions that import no Pulumi."""
