"""The reference pages of alerts and recording rules, written from the rule files themselves.

`python -m rendering.reference` writes docs/alerts.md and docs/recording-rules.md anew.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from rendering import documents
from rendering.rules import MARK, threshold

ROOT = Path(__file__).resolve().parents[1]
RULE_FOLDERS = ("configs/prometheus/rules", "configs/loki/rules")
RUNBOOKS = "docs/runbooks"
REWRITE = "python -m rendering.reference"
LABEL = re.compile(r"\{\{\s*\$labels\.(\w+)[^}]*\}\}")
VALUE = re.compile(r"\{\{\s*\$value[^}]*\}\}")


def pages(root: Path) -> dict[str, str]:
    """Path below `root` -> text of both pages, from the rule files below `root`."""
    files = {path: documents.load(path) for folder in RULE_FOLDERS for path in sorted((root / folder).glob("*.yaml"))}
    named = {
        str(path.relative_to(root)): (header(path.read_text(encoding="utf-8")), file) for path, file in files.items()
    }
    runbooks = {path.stem for path in (root / RUNBOOKS).glob("*.md")}
    return {"docs/alerts.md": alert_page(named, runbooks), "docs/recording-rules.md": recording_page(named)}


RuleFiles = Mapping[str, tuple[str, documents.Document]]  # path -> its leading comment, its content


def alert_page(files: RuleFiles, runbooks: Collection[str]) -> str:
    """A table of alerts per rule file. An alert links to its runbook where there is one."""
    names = {rule["alert"] for _, file in files.values() for rule in _rules(file, "alert")}
    lines = [
        "# Alerts",
        "",
        f"Written by `{REWRITE}` from the rule files: {len(names)} alerts, each with a link to its runbook",
        "where there is one. Thresholds, times, severities and teams are defaults; a stack changes them by name under",
        "`prometheus.alerts` (see [configuration](configuration.md#prometheusalerts)). Who is told is decided by",
        "severity, team and topic in [teams.yaml](../configs/teams.yaml).",
    ]
    for path, (comment, file) in files.items():
        if rules := list(_rules(file, "alert")):
            lines += _section(path, comment)
            lines += ["| alert | severity | after | threshold | what it says |", "|---|---|---|---|---|"]
            lines += [_alert_row(rule, runbooks) for rule in rules]
    return "\n".join(lines) + "\n"


def recording_page(files: RuleFiles) -> str:
    """A table of recorded series per rule file."""
    count = len({rule["record"] for _, file in files.values() for rule in _rules(file, "record")})
    lines = [
        "# Recording rules",
        "",
        f"Written by `{REWRITE}` from the rule files: {count} series, named level:metric:operation.",
        "Dashboards and alerts read these in place of raw metrics. Beside them, `declared.yaml` is generated from",
        "[services.yaml](../configs/services.yaml): `platform:service:info`, `service_slo:objective:ratio`,",
        "`service_slo:latency_objective:info` and `service:slo_latency_objective:seconds` per service, and",
        "`platform:job:expected` per scrape job.",
    ]
    for path, (comment, file) in files.items():
        if rules := list(_rules(file, "record")):
            lines += _section(path, comment)
            lines += ["| series | is |", "|---|---|"]
            lines += [_recording_row(rule) for rule in rules]
    return "\n".join(lines) + "\n"


def header(text: str) -> str:
    """The comment a rule file opens with, as running text."""
    comment = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment.append(line.removeprefix("#").strip())
    return " ".join(comment)


def _section(path: str, comment: str) -> list[str]:
    return ["", f"## {Path(path).stem}", "", f"[{path}](../{path}). {_cell(comment)}", ""]


def _rules(file: documents.Document, kind: str) -> Iterable[documents.Document]:
    return (rule for group in file["groups"] for rule in group["rules"] if kind in rule)


def _alert_row(rule: documents.Document, runbooks: Collection[str]) -> str:
    name, labels = rule["alert"], rule["labels"]
    shown = f"[{name}](runbooks/{name}.md)" if name in runbooks else f"`{name}`"
    if "window" in labels:
        shown += f" ({labels['window']})"
    said = f"{rule['annotations']['summary']}. {rule['annotations']['description']}"
    severity = labels.get("severity", "")
    return f"| {shown} | {severity} | {rule.get('for', 'at once')} | {_threshold(rule)} | {_cell(_plain(said))} |"


def _threshold(rule: documents.Document) -> str:
    marked = threshold(rule)
    return f"{marked[0]:.12g} {marked[1]}" if marked else ""


def _recording_row(rule: documents.Document) -> str:
    labels = "".join(f" `{label}={value}`" for label, value in rule.get("labels", {}).items())
    return f"| `{rule['record']}`{labels} | {_code(rule['expr'])} |"


def _plain(text: str) -> str:
    """An annotation without Go templates: `{{ $labels.service }}` becomes *service*."""
    return VALUE.sub("*value*", LABEL.sub(lambda match: f"*{match[1]}*", text))


def _code(expression: str) -> str:
    one_line = " ".join(MARK.sub(lambda match: match["number"], expression).split())
    return _cell(f"`{one_line}`")


def _cell(text: str) -> str:
    """Text inside a table: a bar would end the cell, even in code; an angle bracket outside code would start a tag."""
    escaped = text.replace("|", "\\|")
    return escaped if "`" in text else escaped.replace("<", "&lt;")


def main() -> None:
    for name, text in pages(ROOT).items():
        (ROOT / name).write_text(text, encoding="utf-8")
        print(name)


if __name__ == "__main__":
    main()
