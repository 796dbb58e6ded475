"""The span store's slice of the settings."""

from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from components.settings.base import Cidr, HttpUrl, Model, Pem, Quantity, Resources, Storage, container_resources

# What a node refuses to go over by default (cluster.max_shards_per_node), and what its heap bears well.
_SHARDS_PER_NODE = 1000
_SHARDS_PER_HEAP_GIB = 25

User = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,62}$", examples=["jaeger"])]


class SpanStoreSettings(Model):
    """Elasticsearch/OpenSearch for spans: AWS's managed domain, one in this cluster, or one that exists."""

    mode: Literal["managed", "in_cluster", "external"] = "managed"
    url: HttpUrl | None = Field(default=None, description="of the external store")
    kind: Literal["opensearch", "elasticsearch"] = Field(
        default="opensearch", description="elasticsearch (7.17) only where it is external"
    )
    instance_type: str = Field(default="t3.small.search", description="of a managed domain")
    instance_count: Annotated[int, Field(ge=1, le=20)] = Field(
        default=1, description="nodes of a managed domain, or pods in_cluster"
    )
    volume_gib: Quantity = Field(default=10, description="of each node of a managed domain")
    vpc_id: str | None = Field(default=None, description="required for a managed domain, as are the next two")
    subnet_ids: tuple[str, ...] = Field(default=(), description="private ones, one per availability zone")
    client_cidrs: tuple[Cidr, ...] = Field(default=(), description="who may connect to the domain inside the VPC")
    storage: Storage = Field(default=Storage(size_gib=10), description="of each pod in_cluster")
    resources: Resources = Field(
        default=container_resources(200, 2048, 1000, 3072), description="of each pod in_cluster"
    )
    shards: Quantity = Field(default=1, description="of each daily index")
    replicas: Annotated[int, Field(ge=0, le=5)] = Field(
        default_factory=lambda given: _copies(given.get("mode"), given.get("instance_count", 1)),
        description="copies of each daily index; not set, 1 where a store of ours has a second node for it, else 0",
    )
    username: User | None = Field(
        default=None,
        description="whom Jaeger, its cleaner and the exporter log in as; its secret is span_store_password",
    )
    master_username: User | None = Field(
        default=None,
        description="administrator, whose secret is span_store_master_password; with it a job makes `username`",
    )
    ca: Pem | None = Field(
        default=None, description="authority that signed the store's certificate; the system's roots where not set"
    )
    certificate: Pem | None = Field(
        default=None, description="in_cluster: of every node, subject CN=opensearch; its secret is span_store_key"
    )
    snapshot_storage: Storage | None = Field(
        default=None,
        description="required in_cluster: the one volume that all nodes write snapshots to, of a class for several "
        "nodes at once (ReadWriteMany); some three times what one copy of the spans takes",
    )

    @model_validator(mode="after")
    def _whole(self) -> Self:
        {"managed": self._check_managed, "in_cluster": self._check_in_cluster, "external": self._check_external}[
            self.mode
        ]()
        if self.mode != "external":
            self._check_own()
        elif self.master_username is not None and self.username is None:
            raise ValueError("master_username is set but username is not; name the user that is to be made")
        if self.username is not None and self.username == self.master_username:
            raise ValueError(
                f"username is {self.username}, the same as master_username; Jaeger needs a user with fewer rights"
            )
        for field in ("certificate", "snapshot_storage"):
            if getattr(self, field) is not None and self.mode != "in_cluster":
                raise ValueError(f"{field} is set but mode is {self.mode}; it is for a store in_cluster only")
        return self

    def _check_managed(self) -> None:
        zones = len(self.subnet_ids)
        if zones > 1 and self.instance_count % zones:
            raise ValueError(
                f"instance_count is {self.instance_count} over {zones} subnet_ids; a managed domain spreads "
                f"evenly, so set a multiple of {zones}"
            )
        for field in ("vpc_id", "subnet_ids", "client_cidrs"):
            if not getattr(self, field):
                raise ValueError(f"mode is managed but {field} is not set; the domain lives inside a VPC, never public")

    def _check_in_cluster(self) -> None:
        for field in ("ca", "certificate"):
            if getattr(self, field) is None:
                raise ValueError(
                    f"mode is in_cluster but {field} is not set; it speaks TLS only; docs/traces.md has commands"
                )
        if self.snapshot_storage is None or self.snapshot_storage.storage_class is None:
            missing = "snapshot_storage" if self.snapshot_storage is None else "snapshot_storage.storage_class"
            raise ValueError(
                f"mode is in_cluster but {missing} is not set; name a class whose volumes several nodes mount at once "
                "(ReadWriteMany); docs/traces.md has an example"
            )
        if self.instance_count == 2:
            raise ValueError("instance_count is 2; in_cluster set 1, or 3 and more (two cannot outvote each other)")

    def _check_external(self) -> None:
        if self.url is None:
            raise ValueError("mode is external but url is not set; write the store's URL")
        if urlsplit(self.url).scheme == "http":
            for field in ("username", "ca"):
                if getattr(self, field) is not None:
                    raise ValueError(
                        f"{field} is set but url is {self.url}; write its https:// URL: a password must not travel in "
                        "clear text"
                    )
        if self.kind == "elasticsearch" and self.master_username is not None:
            raise ValueError(
                "master_username is set but kind is elasticsearch; make the user there yourself and leave it out"
            )

    def _check_own(self) -> None:
        """What holds for a store that this program makes."""
        for field in ("username", "master_username"):
            if getattr(self, field) is None:
                raise ValueError(
                    f"mode is {self.mode} but {field} is not set; the store lets nobody in without a login"
                )
        if self.url is not None:
            raise ValueError(f"url is set but mode is {self.mode}; it is for mode external only")
        if self.kind != "opensearch":
            raise ValueError(f"kind is {self.kind} but mode is {self.mode}; set mode to external, or leave kind out")
        if self.replicas >= self.instance_count:
            raise ValueError(
                f"replicas is {self.replicas} with an instance_count of {self.instance_count}; a copy needs a node of "
                f"its own, so set {self.instance_count - 1} or less"
            )

    def shards_per_node(self) -> int:
        """Shards that one node bears."""
        if self.mode != "in_cluster":
            return _SHARDS_PER_NODE
        heap_gib = self.resources.memory_mib / 2 / 1024
        return min(_SHARDS_PER_NODE, max(1, int(heap_gib * _SHARDS_PER_HEAP_GIB)))

    def shard_budget(self) -> int:
        """Shards that the store's nodes bear together; an external store is taken for `instance_count` nodes."""
        return self.shards_per_node() * self.instance_count


def _copies(mode: str | None, instance_count: int) -> int:
    """How many nodes an external store has is not known here."""
    return 0 if mode == "external" else min(1, instance_count - 1)
