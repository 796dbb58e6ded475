"""What a kind of cluster lets Prometheus see; targets and the rules that need them go together.

A managed control plane hides some components. Left in, their jobs would be down for ever and their alerts false; so a
profile names the jobs that cannot be, and both the scrape configuration and the rules leave them out.
"""

from enum import StrEnum


class Profile(StrEnum):
    """Kind of cluster the stack runs on."""

    EKS = "eks"
    SANDBOX = "sandbox"


HIDDEN_JOBS: dict[Profile, frozenset[str]] = {
    # AWS runs etcd, the scheduler and the controller manager and publishes no address for them. Its kube-proxy add-on
    # serves metrics on the node's loopback only.
    Profile.EKS: frozenset({"etcd", "kube-scheduler", "kube-controller-manager", "kube-proxy"}),
    Profile.SANDBOX: frozenset(),
}
