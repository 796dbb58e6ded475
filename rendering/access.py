"""What Grafana's teams and folder rights shall be, as the job reads it (jobs/grafana_access.py)."""

import json

from rendering.datasources import Folder
from rendering.declarations import Teams


def render_access(teams: Teams) -> str:
    """JSON: the declared teams, and of each folder the teams that may edit in it; everyone may look."""
    declared = {
        "teams": [
            {"name": team.name, "email": team.email, "members": None if team.members is None else list(team.members)}
            for team in teams.teams
        ],
        "folders": [
            {"uid": folder.uid, "editors": [team.name for team in teams.teams if folder in team.edits]}
            for folder in Folder
        ],
    }
    return json.dumps(declared, indent=2) + "\n"
