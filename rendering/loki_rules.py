"""Loki's rule files as they are mounted: those of `configs/loki/rules`, each alert with the link to its runbook."""

from pathlib import Path

from rendering import documents


def render_loki_rules(directory: Path, runbook_base_url: str) -> dict[str, str]:
    """File name -> text of every rule file in `directory`, `runbook_url` added to each alert.

    Raises ValueError, naming the file, when one does not parse.
    """
    rendered = {}
    for path in sorted(directory.glob("*.yaml")):
        document = documents.load(path)
        for group in document["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    link = f"{runbook_base_url.rstrip('/')}/{rule['alert']}.md"
                    rule["annotations"] = {**rule.get("annotations", {}), "runbook_url": link}
        rendered[path.name] = documents.dump(document)
    return rendered
