"""What the pages and workflows hold is what promtool and actionlint accept. (LogQL: test_documented_queries.py.)"""

import re
import subprocess
from pathlib import Path

import yaml

from sandbox.paths import repo_root
from sandbox.toolchain import binary

PAGES = (repo_root() / "README.md", *sorted((repo_root() / "docs").glob("*.md")))
BLOCK = re.compile(r"^ *```promql\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)


def test_every_promql_query_parses(tmp_path: Path) -> None:
    queries = [query.strip() for page in PAGES for query in BLOCK.findall(page.read_text(encoding="utf-8"))]
    assert len(queries) >= 15
    rules = [{"record": f"page:query_{number}:value", "expr": query} for number, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}), encoding="utf-8")

    done = subprocess.run([binary("promtool"), "check", "rules", path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_workflows_pass_actionlint() -> None:
    workflows = sorted((repo_root() / ".github" / "workflows").glob("*.yml"))
    assert workflows

    done = subprocess.run(
        [binary("actionlint"), *workflows], cwd=repo_root(), capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
