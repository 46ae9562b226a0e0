"""What a cluster looked like when its trial was over: as `lab status --key` shows a live one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from labs.kit.experiment.trial import Trial
from labs.kit.key_view import load_key_view
from labs.kit.registry import load_lab
from labs.kit.views import view_to_json

Ending = dict[str, Any]
"""A status (labs.kit.key_view): `settings`, `nodes` with their views, and one `key`, if the lab can
look at one."""


async def look_at_the_end(trial: Trial) -> Ending | None:
    """Asks every node, for the pictures of the report. None where the lab draws none: nobody is
    asked then."""
    cluster = trial.cluster
    lab = load_lab(cluster.spec.lab)  # a variant may be of another
    if not lab.report_pictures:
        return None
    views = {node: await cluster.view(node) for node in cluster.nodes}
    ending: Ending = {
        "settings": dict(cluster.params),
        "nodes": [
            {
                "id": node,
                "answers": view is not None,
                "view": None if view is None else view_to_json(view),
            }
            for node, view in views.items()
        ],
    }
    key = _key_of(trial)
    if lab.key_view and key is not None:
        ending["key"] = await load_key_view(lab).look(cluster, key)
    return ending


def _key_of(trial: Trial) -> str | None:
    """The key that clients asked for most often; of several the one that was asked for first."""
    asked = Counter(
        entry.key
        for entry in trial.recorder.entries
        if entry.type == "invoke" and entry.key is not None
    )
    return next((key for key, _ in asked.most_common(1)), None)
