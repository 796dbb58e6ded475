"""Backup of what people make and no repository holds: Grafana's database and Alertmanager's silences, in the bucket."""

from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi_kubernetes import core

from components import grafana_database
from components.settings.base import Resources
from components.settings.grafana_database import GrafanaDatabaseSettings
from components.settings.tools import BackupSettings
from components.shared import Endpoint, SharedOutputs
from components.workload.batch import JobArgs, cron_job
from components.workload.pod import Claim, ConfigMapFiles, Container, EmptyDir, Mount, SecretKey
from components.workload.spec import metadata

TOOL = "grafana-backup"
RESTORE = "grafana-restore"
COMPONENT = "ui"
PREFIX = "backups/"  # in the bucket; nothing else may be under it, for S3 deletes there by age
JOBS = Path(__file__).resolve().parents[1] / "jobs"
SNAPSHOT_SCRIPT, RESTORE_SCRIPT = JOBS / "grafana_snapshot.py", JOBS / "grafana_restore.py"
DUMP_SCRIPT, PUT_BACK_SCRIPT = JOBS / "grafana_dump.sh", JOBS / "grafana_put_back.sh"
SCRIPTS_DIRECTORY = f"/etc/{TOOL}"
WORK = "/work"
DATABASE_DIRECTORY = "/var/lib/grafana"
DATABASE_FILE = f"{DATABASE_DIRECTORY}/grafana.db"
DUMP = f"{WORK}/grafana.dump"

_S3_ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "s3_access_key_id", "AWS_SECRET_ACCESS_KEY": "s3_secret_access_key"}

# $SNAPSHOT names one; without it the newest is taken. Names are times, so the last of them by name is the newest.
_DOWNLOAD = """set -eu
s3() { aws ${ENDPOINT:+--endpoint-url "$ENDPOINT"} s3 "$@"; }
name=${SNAPSHOT:-$(s3 ls "$PLACE" | awk '$1 == "PRE" {print $2}' | sort | tail -n 1 | tr -d /)}
test -n "$name" || { echo "no snapshot in $PLACE"; exit 1; }
echo "restoring $name"
s3 cp --no-progress --recursive "$PLACE$name/" "$WORK/"
"""
_UPLOAD = """set -eu
aws ${ENDPOINT:+--endpoint-url "$ENDPOINT"} s3 cp --no-progress --recursive "$WORK/" "$PLACE"
"""


@dataclass(frozen=True, kw_only=True)
class BackupArgs:
    shared: SharedOutputs
    settings: BackupSettings
    python_image: str
    aws_image: str
    postgres_image: str
    bucket: str
    region: str
    grafana: str  # the tool beside whose pod the job runs, where its state is in a file
    grafana_claim: str  # of the volume with that file
    user: int  # owner of Grafana's files
    alertmanager: Endpoint
    database: GrafanaDatabaseSettings | None = None  # in place of the file
    s3_endpoint: str | None = None  # URL of an S3 API that is not AWS's
    # How the job proves itself to S3: a role by its ServiceAccount, else keys out of a Secret, Loki's.
    role_arn: pulumi.Input[str] | None = None
    s3_secret: str | None = None


class Backup(pulumi.ComponentResource):
    """A CronJob that takes a snapshot, and one that never runs by itself: `operations.restore` makes a Job from it."""

    def __init__(self, name: str, args: BackupArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("observability:index:Backup", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        labels = args.shared.labels(TOOL, COMPONENT)
        paths = (SNAPSHOT_SCRIPT, RESTORE_SCRIPT, *((DUMP_SCRIPT, PUT_BACK_SCRIPT) if args.database else ()))
        scripts = {path.name: path.read_text(encoding="utf-8") for path in paths}
        needed: list[pulumi.Resource] = [
            core.v1.ConfigMap(
                f"{name}-scripts", metadata=metadata(TOOL, args.shared.namespace, labels), data=scripts, opts=child
            ),
            core.v1.ServiceAccount(
                f"{name}-account",
                metadata=metadata(
                    TOOL,
                    args.shared.namespace,
                    labels,
                    {"eks.amazonaws.com/role-arn": args.role_arn} if args.role_arn else {},
                ),
                automount_service_account_token=False,
                opts=child,
            ),
        ]
        after = pulumi.ResourceOptions(parent=self, depends_on=needed)
        backup = _job(args, TOOL, (*_dump(args), _snapshot(args), _upload(args)))
        cron_job(name, backup, args.settings.schedule, after)
        # A CronJob only to have its Job at hand: suspended, so the schedule means nothing.
        restore = _job(args, RESTORE, (_download(args), *_put_back(args), _restore(args)))
        cron_job(f"{name}-restore", restore, args.settings.schedule, after, suspended=True)
        self.register_outputs({})


def _job(args: BackupArgs, tool: str, steps: tuple[Container, ...]) -> JobArgs:
    return JobArgs(
        shared=args.shared,
        tool=tool,
        component=COMPONENT,
        steps=steps,
        user=args.user,
        deadline_seconds=900,
        service_account=TOOL,
        # Restoring, Grafana is stopped: its volume goes where the job goes.
        beside=args.grafana if tool == TOOL and args.database is None else None,
    )


def _dump(args: BackupArgs) -> tuple[Container, ...]:
    return (_postgres(args, args.database, DUMP_SCRIPT),) if args.database else ()


def _put_back(args: BackupArgs) -> tuple[Container, ...]:
    return (_postgres(args, args.database, PUT_BACK_SCRIPT),) if args.database else ()


def _snapshot(args: BackupArgs) -> Container:
    return _python(args, SNAPSHOT_SCRIPT, DUMP if args.database else DATABASE_FILE, args.alertmanager.url, WORK)


def _restore(args: BackupArgs) -> Container:
    return _python(args, RESTORE_SCRIPT, WORK, args.alertmanager.url, *(() if args.database else (DATABASE_FILE,)))


def _postgres(args: BackupArgs, database: GrafanaDatabaseSettings, script: Path) -> Container:
    return Container(
        name=script.stem.removeprefix("grafana_").replace("_", "-"),
        image=args.postgres_image,
        command=("sh", f"{SCRIPTS_DIRECTORY}/{script.name}", DUMP),
        env=grafana_database.client_variables(database),
        mounts=(_scripts(), *grafana_database.client_mounts(database), _work(args)),
        resources=Resources(cpu_millicores=50, memory_mib=64, cpu_limit_millicores=500, memory_limit_mib=256),
    )


def _python(args: BackupArgs, script: Path, *arguments: str) -> Container:
    # Writable for the reader too: readers of a database with a write-ahead log lock a file beside it.
    file = Mount(name="database", path=DATABASE_DIRECTORY, source=Claim(name=args.grafana_claim), read_only=False)
    return Container(
        name=script.stem.removeprefix("grafana_"),
        image=args.python_image,
        command=("python3", f"{SCRIPTS_DIRECTORY}/{script.name}", *arguments),
        mounts=(_scripts(), *(() if args.database else (file,)), _work(args)),
        resources=Resources(cpu_millicores=20, memory_mib=48, cpu_limit_millicores=500, memory_limit_mib=128),
    )


def _upload(args: BackupArgs) -> Container:
    return _aws(args, "upload", _UPLOAD)


def _download(args: BackupArgs) -> Container:
    return _aws(args, "download", _DOWNLOAD)


def _aws(args: BackupArgs, name: str, script: str) -> Container:
    keys = {
        variable: SecretKey(secret=args.s3_secret, key=key)
        for variable, key in _S3_ENVIRONMENT.items()
        if args.s3_secret is not None
    }
    return Container(
        name=name,
        image=args.aws_image,
        command=("sh", "-c", script),
        env={
            "HOME": "/tmp",  # noqa: S108 - in the pod
            "AWS_REGION": args.region,
            "AWS_DEFAULT_REGION": args.region,
            "PLACE": f"s3://{args.bucket}/{PREFIX}",
            "WORK": WORK,
            **({"ENDPOINT": args.s3_endpoint} if args.s3_endpoint else {}),
            # Keys come as environment: the client's own key file would have to be written first.
            **keys,
        },
        mounts=(
            _work(args),
            Mount(name="tmp", path="/tmp", source=EmptyDir(size_mib=64), read_only=False),  # noqa: S108 - in the pod
        ),
        resources=Resources(cpu_millicores=50, memory_mib=96, cpu_limit_millicores=500, memory_limit_mib=256),
    )


def _scripts() -> Mount:
    return Mount(name="scripts", path=SCRIPTS_DIRECTORY, source=ConfigMapFiles(name=TOOL))


def _work(args: BackupArgs) -> Mount:
    return Mount(name="work", path=WORK, source=EmptyDir(size_mib=args.settings.work_mib), read_only=False)
