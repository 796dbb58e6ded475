"""What two modules need before they build: files their release process generates and the module lacks."""

import json
import shutil
from pathlib import Path

from sandbox import commands


def pulumi_kubernetes(folder: Path, release: str) -> None:
    """Writes the two embedded files beside main.go: the schema with its version set, and the Terraform mapping."""
    main = folder / "cmd" / "pulumi-resource-kubernetes"
    schema = json.loads((main / "schema.json").read_text())
    schema["version"] = release
    (main / "schema-embed.json").write_text(json.dumps(schema))
    shutil.copy(main / "terraform-mapping.json", main / "terraform-mapping-embed.json")


def grafana(folder: Path, wire: Path, tags: tuple[str, ...], env: dict[str, str]) -> None:
    """Generates pkg/server/wire_gen.go. Raises SandboxError with wire's own words when it fails."""
    commands.run(wire, "gen", "-tags", " ".join(tags), "./pkg/server", folder=folder, env=env)
