"""What is provisioned: one module per tool, and what several tools share in modules of their own."""
