"""docs/deployment.md typed from an empty account to a running production, and its way back in docs/operations.md.

On a local AWS and a simulated cluster of its own: what is real is the engine, its state in S3 under a KMS key, the
program with production's stack file, and Kubernetes' API.
"""

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from sandbox import aws, node, toolchain
from sandbox.aws import moto
from sandbox.engine import PROGRAMS
from sandbox.node import commands, layout
from sandbox.paths import repo_root
from tests import clones, page_commands
from tests.pages import Block, blocks, inline_code
from tests.shell import LINES_TYPED, typed

pytestmark = pytest.mark.full

PAGE = repo_root() / "docs" / "deployment.md"
WAY_BACK = repo_root() / "docs" / "operations.md"
STATE_BUCKET = "dharma-pulumi-state"
LOG_BUCKET = "dharma-production-observability-logs"
CLUSTER = "dharma-production"


@dataclass(frozen=True)
class Shell:
    """As a person has it who follows the page: in a clone, with the account's credentials and the cluster's."""

    clone: Path
    environment: dict[str, str]

    def type(self, text: str) -> str:
        """What is printed; both streams are in the failure when there is one."""
        done = typed(text, self.environment, folder=self.clone)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def json(self, text: str) -> Any:
        return json.loads(self.type(text))


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clones.copy(tmp_path_factory.mktemp("account"))


@pytest.fixture(scope="module")
def kubeconfig() -> Iterator[Path]:
    """A cluster in the state that section 1 asks for, but for what the section types itself."""
    with node.simulated_cluster("account") as path:
        controller = ("deployment", "aws-load-balancer-controller", "--image=none")
        commands.kubectl(path, "-n", "kube-system", "create", *controller)
        yield path


@pytest.fixture(scope="module")
def account() -> Iterator[dict[str, str]]:
    """An AWS account in which nothing is yet, by the variables that every AWS client goes by."""
    with moto.account() as address:
        yield moto.environment(address)


@pytest.fixture(scope="module")
def shell(clone: Path, kubeconfig: Path, account: dict[str, str]) -> Shell:
    toolchain.ensure(PROGRAMS)
    own = {name: value for name, value in os.environ.items() if not name.startswith("PULUMI_")}
    tools = [aws.provider_dir(), toolchain.bin_dir(), Path(sys.executable).parent]
    pulumi = {
        "PULUMI_HOME": str(clone.parent / "pulumi-home"),
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        "PULUMI_SKIP_CONFIRMATIONS": "true",  # where a person reads, and says yes
    }
    path = os.pathsep.join([*map(str, tools), os.environ["PATH"]])
    return Shell(clone, {**own, **account, **pulumi, "KUBECONFIG": str(kubeconfig), "PATH": path})


def typed_on(page: Path) -> list[Block]:
    return [block for block in blocks("sh", page) if "account" in block.marks]


def answered(text: str) -> str:
    """Commands that ask for a secret, with somebody who answers: there is no keyboard here."""
    return re.sub(r"^(pulumi config set --secret (\w+))(?= *(#.*)?$)", r"\1 <<<'typed as \2'", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def found(shell: Shell, account: dict[str, str]) -> dict[str, str]:
    """The account's own: what stands in the stack file as an example -> what the commands of section 3 say."""
    session = boto3.Session("account", "account", region_name=moto.REGION)
    services: Any = ("ec2", "iam", "acm", "eks", "sts")
    ec2, iam, acm, eks, sts = (session.client(name, endpoint_url=account["AWS_ENDPOINT_URL"]) for name in services)
    sts.get_caller_identity()  # moto's first answer of a service must not be asked for twice at once
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    one, two = (
        ec2.create_subnet(VpcId=vpc, CidrBlock=f"10.0.{number}.0/24", AvailabilityZone=f"{moto.REGION}{zone}")
        for number, zone in enumerate("ab")
    )
    subnets = [each["Subnet"]["SubnetId"] for each in (one, two)]
    role = "arn:aws:iam::123456789012:role/cluster"
    made = eks.create_cluster(name=CLUSTER, roleArn=role, resourcesVpcConfig={"subnetIds": subnets})["cluster"]
    provider = iam.create_open_id_connect_provider(Url=made["identity"]["oidc"]["issuer"], ThumbprintList=["a" * 40])
    [certificates] = [block for block in typed_on(PAGE) if "request-certificate" in block.text]
    assert shell.type(certificates.text).count("acm-validations") == 2
    listed = acm.list_certificates()["CertificateSummaryList"]
    arns = {each["DomainName"]: each["CertificateArn"] for each in listed}
    grafana, jaeger = (arns[f"{name}.dharma.example"] for name in ("grafana", "jaeger"))
    return {
        "arn:aws:eks:us-east-1:111122223333:cluster/dharma-production": shell.type(
            "kubectl config current-context"
        ).strip(),
        "vpc-0a1b2c3d4e5f60718": vpc,
        "subnet-0a1b2c3d4e5f60718": subnets[0],
        "subnet-0b2c3d4e5f6071829": subnets[1],
        "arn:aws:iam::111122223333:oidc-provider/oidc.eks.us-east-1.amazonaws.com/id/"
        "0123456789ABCDEF0123456789ABCDEF": provider["OpenIDConnectProviderArn"],
        "arn:aws:acm:us-east-1:111122223333:certificate/0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9": jaeger,
        "arn:aws:acm:us-east-1:111122223333:certificate/1b2c3d4e-5f60-7182-93a4-b5c6d7e8f90a": grafana,
    }


@pytest.fixture(scope="module")
def load_balancers(shell: Shell) -> Iterator[None]:
    """In place of AWS's controller: a Service that asks for a load balancer gets the name of one."""
    ended = threading.Event()

    def balance() -> None:
        while not ended.wait(1):
            for service in shell.json("kubectl get services -A -o json")["items"]:
                if service["spec"]["type"] == "LoadBalancer" and not service["status"]["loadBalancer"]:
                    name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
                    status = {"status": {"loadBalancer": {"ingress": [{"hostname": f"{name}.elb.example"}]}}}
                    shell.type(
                        f"kubectl -n {namespace} patch service {name} --subresource=status -p '{json.dumps(status)}'"
                    )

    thread = threading.Thread(target=balance, daemon=True)
    thread.start()
    yield
    ended.set()
    thread.join()


@pytest.fixture(scope="module")
def production(shell: Shell, found: dict[str, str], load_balancers: None) -> str:
    """Every block of the page in its order, with the stack file filled in on the way; what they printed.

    That of the certificates is typed by `found`.
    """
    [storage_class, state, _, secrets, asked_for, first_up, names] = typed_on(PAGE)
    # No EBS here: volumes are made by what makes the sandbox's.
    printed = shell.type(storage_class.text.replace("ebs.csi.aws.com", layout.PROVISIONER))
    printed += shell.type(state.text)
    stack_file = shell.clone / "Pulumi.prod.yaml"
    text = stack_file.read_text()
    for example, own in found.items():
        assert example in text, f"the stack file has no {example} to be replaced"
        text = text.replace(example, own)
    stack_file.write_text(text)
    for block in (secrets, asked_for, first_up, names):
        printed += shell.type(answered(block.text))
    return printed


def test_production_comes_up_from_an_empty_account(shell: Shell, production: str) -> None:
    outputs = shell.json("pulumi stack output --json")
    assert outputs["urls"]["grafana"] == "https://grafana.dharma.example:3000"
    assert outputs["bucket"] == LOG_BUCKET
    assert "grafana.elb.example" in production
    assert "jaeger-query.elb.example" in production
    pods = shell.json("kubectl -n monitoring get pods -o json")["items"]
    assert {pod["status"]["phase"] for pod in pods} == {"Running", "Succeeded"}


def test_the_style_is_the_one_that_make_writes(shell: Shell) -> None:
    assert "left unchanged" in shell.type("make format")


def test_the_generated_pages_are_those_that_make_writes(clone: Path, shell: Shell) -> None:
    def pages() -> dict[str, str]:
        return {path.name: path.read_text() for path in (clone / "docs").glob("*.md")}

    before = pages()

    shell.type("make docs")

    assert pages() == before


def test_a_second_up_changes_nothing(shell: Shell, production: str) -> None:
    shell.type("pulumi preview --stack prod --refresh --expect-no-changes")


def test_the_state_is_in_s3_and_holds_no_secret_in_plain(shell: Shell, production: str) -> None:
    state = shell.type(f"aws s3 cp s3://{STATE_BUCKET}/.pulumi/stacks/observability-stack/prod.json -")
    shown = shell.json("pulumi config --json --show-secrets")
    secrets = {name: entry["value"] for name, entry in shown.items() if entry["secret"]}
    lines = [line for block in typed_on(PAGE) for line in block.text.splitlines()]
    assert len(secrets) == len([line for line in lines if line.startswith("pulumi config set --secret")]) > 9
    assert "" not in secrets.values()
    assert [name for name, value in secrets.items() if value in state and value != "..."] == []
    assert "awskms://alias/pulumi-prod" in (shell.clone / "Pulumi.prod.yaml").read_text()


def test_what_the_page_looks_things_up_with_says_what_the_stack_file_got(
    shell: Shell, found: dict[str, str], production: str
) -> None:
    starts = ("aws ", "kubectl get", "kubectl -n", "kubectl describe", "kubectl config")
    looked_up = [text for text in inline_code(PAGE) if text.startswith(starts)]
    # Written for real, it would lead kubectl to a cluster that nobody is at home in.
    looked_up = [f"{text} --dry-run" if "update-kubeconfig" in text else text for text in looked_up]
    said = {text: shell.type(text).strip() for text in looked_up}
    assert len(said) > 7
    assert [command for command, answer in said.items() if not answer] == []
    # The local AWS does not say the VPC of a cluster; AWS does.
    wanted = [own for own in found.values() if not own.startswith("vpc-")]
    assert [own for own in wanted if own not in "".join(said.values())] == []


@pytest.fixture(scope="module")
def left(shell: Shell, production: str) -> list[str]:
    """Production taken down with its data kept; the URNs that are still the stack's."""
    [command] = [text for text in inline_code(WAY_BACK) if "--exclude-protected" in text and "prod" in text]
    with pytest.raises(AssertionError, match="protected"):
        shell.type("pulumi destroy --stack prod")
    shell.type(command)
    return in_state(shell)


def in_state(shell: Shell) -> list[str]:
    return [each["urn"] for each in shell.json("pulumi stack export --stack prod")["deployment"]["resources"]]


def claims(shell: Shell) -> dict[str, str]:
    """Name -> uid of every claim for a volume."""
    found = shell.json("kubectl get pvc -A -o json")["items"]
    return {claim["metadata"]["name"]: claim["metadata"]["uid"] for claim in found}


def workloads(shell: Shell) -> list[Any]:
    found: list[Any] = shell.json("kubectl -n monitoring get statefulsets,deployments,daemonsets -o json")["items"]
    return found


def test_taking_production_down_keeps_its_data(shell: Shell, left: list[str]) -> None:
    assert workloads(shell) == []
    assert {"data-grafana-0", "data-loki-0", "data-prometheus-0", "data-prometheus-1"} <= claims(shell).keys()
    versioning = shell.json(f"aws s3api get-bucket-versioning --bucket {LOG_BUCKET}")
    access = shell.json(f"aws s3api get-public-access-block --bucket {LOG_BUCKET}")["PublicAccessBlockConfiguration"]
    assert (versioning["Status"], set(access.values())) == ("Enabled", {True})
    for what in ("bucket-encryption", "bucket-policy", "bucket-lifecycle-configuration"):
        assert shell.type(f"aws s3api get-{what} --bucket {LOG_BUCKET}")
    assert shell.json("aws opensearch list-domain-names")["DomainNames"]


def test_data_is_given_up_one_thing_at_a_time(shell: Shell, left: list[str]) -> None:
    [block] = [block for block in typed_on(WAY_BACK) if "unprotect" in block.text]
    [claim] = [urn for urn in left if urn.endswith("::grafana-data-0")]

    shell.type(block.text.replace("<urn>", claim))

    assert set(left) - set(in_state(shell)) == {claim}
    assert "data-grafana-0" in claims(shell), "it leaves the stack and stays where it is"


def test_the_next_up_goes_on_with_what_was_kept(shell: Shell, left: list[str]) -> None:
    def kept() -> tuple[dict[str, str], str]:
        made = f"aws s3api list-buckets --query \"Buckets[?Name=='{LOG_BUCKET}'].CreationDate\""
        return claims(shell), shell.type(made)

    before = kept()

    shell.type("pulumi up --stack prod --skip-preview --refresh")

    assert kept() == before
    assert len(workloads(shell)) > 10


def test_an_older_state_can_be_had_back(shell: Shell, left: list[str]) -> None:
    listing, restoring = (block for block in typed_on(WAY_BACK) if STATE_BUCKET in block.text)
    current, *_ = shell.type(listing.text).splitlines()
    before = in_state(shell)
    spoilt = "jq '.deployment.resources |= .[:1]'"
    shell.type(f"pulumi stack export --stack prod | {spoilt} | pulumi stack import --stack prod")
    assert len(in_state(shell)) == 1 < len(before)

    shell.type(restoring.text.replace("<version>", current.split()[1]))

    assert in_state(shell) == before


def test_logs_deleted_by_mistake_come_back(shell: Shell, left: list[str]) -> None:
    [block] = [block for block in typed_on(WAY_BACK) if "DeleteMarkers" in block.text]
    names = ("one", "two")
    # Production's bucket refuses who comes without TLS, and the local AWS has none.
    shell.type(f"aws s3api delete-bucket-policy --bucket {LOG_BUCKET}")
    for name in names:
        shell.type(f"echo {name} | aws s3 cp - s3://{LOG_BUCKET}/fake/{name}")
    shell.type(f"aws s3 rm s3://{LOG_BUCKET}/fake/one")
    between = shell.type("sleep 2; date -u +%Y-%m-%dT%H:%M:%S; sleep 2").strip()
    shell.type(f"aws s3 rm s3://{LOG_BUCKET}/fake/two")

    shell.type(block.text.replace("<time>", between))

    kept = shell.type(f"aws s3 ls s3://{LOG_BUCKET}/fake/")
    assert [name for name in names if name in kept] == ["two"]


def test_a_resource_can_be_handed_over(shell: Shell, left: list[str]) -> None:
    give, take = (text for text in inline_code(WAY_BACK) if re.match(r"pulumi (state delete|import) <", text))
    [urn] = [urn for urn in in_state(shell) if urn.endswith("::prometheus-budget")]
    there = "mkdir -p ../other && cd ../other"
    project = f"{there} && printf 'name: other\\nruntime: python\\n' >Pulumi.yaml"
    shell.type(f"{project} && pulumi stack init taker --secrets-provider='awskms://alias/pulumi-prod?region=us-east-1'")

    shell.type(give.replace("<urn>", f"'{urn}'"))
    named = {"<type>": urn.split("::")[2].split("$")[-1], "<name>": "taken", "<id>": "monitoring/prometheus"}
    for placeholder, value in {**named, "<other>": "taker"}.items():
        take = take.replace(placeholder, value)
    shell.type(f"{there} && {take} --generate-code=false")

    assert urn not in in_state(shell)
    taken = shell.json(f"{there} && pulumi stack export --stack taker")["deployment"]["resources"]
    assert [each["id"] for each in taken if each["urn"].endswith("::taken")] == ["monitoring/prometheus"]


def test_the_commands_that_pages_leave_to_this_file_were_typed(shell: Shell, left: list[str]) -> None:
    said = page_commands.said_to_be_in(page_commands.ACCOUNT)
    assert len(said) > 15
    assert [command for command in said if not page_commands.stands_in(command, LINES_TYPED)] == []
