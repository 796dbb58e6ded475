"""`pulumi-resource-aws` for a local AWS: the resource types this stack uses, over boto3.

Pulumi's engine takes an executable of that name from PATH in place of the plugin it would download. Where the real
one can be installed, it takes this one's place with nothing else changed: both read the same settings.
"""
