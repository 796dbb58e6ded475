"""python -m sandbox.pictures <uid>...: draws dashboards of the running sandbox into docs/pictures/<uid>.svg

Layout, titles, colours and units are the dashboard's own, values what Grafana answers just then; the drawing is ours.
"""

import sys
import time
from typing import Any

import httpx

from rendering.datasources import JAEGER
from sandbox import stack
from sandbox.dashboard_queries import answers, panel_queries, resolved_variables, traces
from sandbox.paths import repo_root
from sandbox.pictures import svg
from sandbox.pictures.panels import Box, Panel, draw

WIDTH, HEAD = 1440, 56
COLUMN, ROW = WIDTH / 24, 38  # of Grafana's grid, in pixels
RANGE_SECONDS = 1800
INTERVAL_MS = 15_000


def picture(grafana: httpx.Client, uid: str) -> str:
    """The dashboard as it is now, as SVG."""
    dashboard = grafana.get(f"/api/dashboards/uid/{uid}").raise_for_status().json()["dashboard"]
    variables, _ = resolved_variables(grafana, dashboard)
    asked = panel_queries(dashboard, variables)
    shapes = [
        svg.text(16, 26, dashboard["title"], size=20, font_weight=600),
        svg.text(16, 45, _caption(dashboard, variables), size=12, fill=svg.FAINT),
    ]
    bottom = 0.0
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        box = Box(place["x"] * COLUMN + 4, HEAD + place["y"] * ROW, place["w"] * COLUMN - 8, place["h"] * ROW - 8)
        bottom = max(bottom, box.bottom)
        title = _filled(panel.get("title", ""), variables)
        if panel["type"] == "row":
            shapes.append(svg.text(box.x + 4, box.y + 20, title, size=15, font_weight=600))
            continue
        own = [each for each in asked if each.panel == panel["title"]]
        searched = [each for each in own if each.target["datasource"]["uid"] == JAEGER.uid]
        found = [trace for each in searched for trace in traces(grafana, each.target)]
        backend = [each for each in own if each not in searched]
        got = answers(grafana, backend, RANGE_SECONDS, INTERVAL_MS)
        shapes += draw(Panel({**panel, "title": title}, got, box, found))
    return svg.document(WIDTH, bottom + 12, shapes)


def _caption(dashboard: dict[str, Any], variables: dict[str, str]) -> str:
    titles = {each["name"]: each.get("label") or each["name"] for each in dashboard["templating"].get("list", [])}
    chosen = [f"{titles[name]}: {'All' if '.' in value else value or '-'}" for name, value in variables.items()]
    moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
    drawn = f"drawn from the running sandbox's data at {moment}, last 30 minutes; not a screenshot of Grafana's pages"
    return "   ".join([*chosen, drawn])


def _filled(title: str, variables: dict[str, str]) -> str:
    for name, value in variables.items():
        title = title.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return title


def main() -> int:
    outputs = stack.outputs()
    folder = repo_root() / "docs" / "pictures"
    folder.mkdir(exist_ok=True)
    login = ("admin", outputs["grafana_admin_password"])
    with httpx.Client(base_url=outputs["urls"]["grafana"], auth=login, timeout=60, trust_env=False) as grafana:
        for uid in sys.argv[1:]:
            path = folder / f"{uid}.svg"
            path.write_text(picture(grafana, uid))
            print(f"{path.relative_to(repo_root())}: {path.stat().st_size / 1024:.0f} KiB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
