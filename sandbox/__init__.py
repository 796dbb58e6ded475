"""The one-machine Kubernetes and AWS that the stack is brought up, broken and tested on."""
