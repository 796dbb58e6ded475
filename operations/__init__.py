"""Commands for whoever runs a stack, on the cluster that kubectl points at."""
