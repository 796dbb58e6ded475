"""promtool and the blackbox exporter accept what Prometheus and the exporter will be given."""

import subprocess
from pathlib import Path

import pytest

from rendering.declarations import load_platform
from rendering.profiles import Profile
from rendering.rules import RulesArgs, load_rule_files, render_rules
from rendering.scrape import PrometheusConfigArgs, expected_jobs, render_prometheus_config
from rendering.slo import render_declared
from sandbox.toolchain import binary

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
PLATFORM = load_platform(CONFIGS / "services.yaml")


def run(*argv: object) -> str:
    done = subprocess.run([str(part) for part in argv], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize("profile", list(Profile))
def test_prometheus_accepts_its_configuration_and_rules(profile: Profile, tmp_path: Path) -> None:
    args = PrometheusConfigArgs(
        cluster="c",
        environment="test",
        profile=profile,
        alertmanagers=("alertmanager:9093",),
        retention_days=30,
        retention_size_mib=8192,
    )
    config = tmp_path / "prometheus.yml"
    config.write_text(render_prometheus_config(PLATFORM, args), encoding="utf-8")
    # tokens and certificates it refers to exist in the pod only
    run(binary("promtool"), "check", "config", "--syntax-only", config)

    rules = RulesArgs(
        runbook_base_url="https://runbooks.example",
        grafana_url="https://grafana.example",
        hidden_jobs=args.hidden_jobs,
    )
    files = render_rules(load_rule_files(CONFIGS / "prometheus" / "rules"), rules)
    files |= render_declared(PLATFORM, expected_jobs(PLATFORM, args))
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    run(binary("promtool"), "check", "rules", "--lint=all", "--lint-fatal", *sorted(tmp_path.glob("*.yaml")))


def test_the_native_rule_files_are_valid_as_they_stand() -> None:
    run(
        binary("promtool"), "check", "rules", "--lint-fatal", *sorted((CONFIGS / "prometheus" / "rules").glob("*.yaml"))
    )


def test_the_blackbox_exporter_accepts_its_configuration() -> None:
    run(binary("blackbox_exporter"), "--config.check", f"--config.file={CONFIGS / 'prometheus' / 'blackbox.yaml'}")
