"""python -m operations.restore: puts a snapshot of Grafana and of the silences back. Needs kubectl on the cluster.

Grafana is stopped for the minute that it takes.
"""

import argparse
import json
import subprocess
import sys
import time

CRON_JOB = "grafana-restore"
PODS = "app=grafana"
DOWNLOAD = "download"  # the container that $SNAPSHOT is for
PATIENCE_SECONDS = 600
PATIENCE = f"--timeout={PATIENCE_SECONDS}s"


def restore(namespace: str, snapshot: str | None = None) -> str:
    """What the job said. `snapshot`: its name, a time such as 2026-11-22T03-17-00Z; None takes the newest.

    Raises CalledProcessError when kubectl fails, RuntimeError when the job does, TimeoutError when Grafana does not
    stop; it is started in any case.
    """
    job = f"{CRON_JOB}-{int(time.time())}"
    manifest = json.loads(
        _kubectl(namespace, "create", "job", job, f"--from=cronjob/{CRON_JOB}", "--dry-run=client", "-o", "json")
    )
    if snapshot:
        steps = manifest["spec"]["template"]["spec"]["initContainers"]
        download = next(step for step in steps if step["name"] == DOWNLOAD)
        download["env"].append({"name": "SNAPSHOT", "value": snapshot})
    grafana, replicas = _grafana(namespace)
    _kubectl(namespace, "scale", grafana, "--replicas=0")
    try:
        _stopped(namespace)
        _kubectl(namespace, "create", "-f", "-", given=json.dumps(manifest))
        _finished(namespace, job)
    finally:
        _kubectl(namespace, "scale", grafana, f"--replicas={replicas}")
    _kubectl(namespace, "rollout", "status", grafana, PATIENCE)
    return _kubectl(namespace, "logs", f"job/{job}", "--all-containers")


def _grafana(namespace: str) -> tuple[str, int]:
    """What runs it, for kubectl, and how many replicas: a StatefulSet of one, or a Deployment on PostgreSQL."""
    found = json.loads(_kubectl(namespace, "get", "statefulset,deployment", "-l", PODS, "-o", "json"))
    [workload] = found["items"]
    # None at all were left by a restore that was killed.
    return f"{workload['kind'].lower()}/{workload['metadata']['name']}", max(1, workload["spec"]["replicas"])


def _stopped(namespace: str) -> None:
    """Waits until the last pod is gone. Raises TimeoutError, naming those that are left."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while left := _kubectl(namespace, "get", "pods", "-l", PODS, "-o", "name").split():
        if time.monotonic() > deadline:
            raise TimeoutError(f"after {PATIENCE_SECONDS} s there is still {', '.join(left)}")
        time.sleep(1)


def _finished(namespace: str, job: str) -> None:
    """Until it is, either way; a wait for success alone would not see a failure."""
    while True:
        status = json.loads(_kubectl(namespace, "get", "job", job, "-o", "json"))["status"]
        ended = {
            each["type"]: each.get("message", "") for each in status.get("conditions", []) if each["status"] == "True"
        }
        if "Complete" in ended:
            return
        if "Failed" in ended:
            said = _kubectl(namespace, "logs", f"job/{job}", "--all-containers", "--tail=20")
            raise RuntimeError(f"{job} failed ({ended['Failed']}):\n{said}")
        time.sleep(1)


def _kubectl(namespace: str, *arguments: str, given: str | None = None) -> str:
    done = subprocess.run(
        ["kubectl", "-n", namespace, *arguments], input=given, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m operations.restore", description=__doc__)
    parser.add_argument("--namespace", default="monitoring")
    parser.add_argument("--snapshot", help="a time such as 2026-11-22T03-17-00Z; the newest where not given")
    arguments = parser.parse_args()
    try:
        print(restore(arguments.namespace, arguments.snapshot))
    except (subprocess.CalledProcessError, RuntimeError, TimeoutError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
