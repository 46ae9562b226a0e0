"""How commands talk to the conductor: the standard library's HTTP client, which loads quickly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from labs.kit.errors import LabError
from labs.kit.session import Session, SessionFolder, home_folder

PATIENCE_S = 5.0
NOTHING_RUNS = "no lab is running here; start one with `lab up LAB`"


class ConductorClient:
    """Speaks to one running conductor. One connection a request: commands are short."""

    def __init__(self, session: Session, token: str) -> None:
        self.session = session
        self._token = token

    def get(
        self, path: str, query: Mapping[str, Any] | None = None, *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Looks. Raises LabError when refused or when there is no response in time."""
        target = f"{path}?{urlencode(query)}" if query else path
        return self._request("GET", target, None, timeout_s)

    def post(
        self, path: str, body: Mapping[str, Any], *, timeout_s: float = PATIENCE_S
    ) -> dict[str, Any]:
        """Acts. Raises LabError when refused or when there is no response in time."""
        return self._request("POST", path, json.dumps(body).encode(), timeout_s)

    def _request(
        self, method: str, target: str, body: bytes | None, timeout_s: float
    ) -> dict[str, Any]:
        import http.client  # its forty modules are not for commands that speak to no conductor

        connection = http.client.HTTPConnection("127.0.0.1", self.session.port, timeout=timeout_s)
        headers = {"X-Lab-Token": self._token}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            document = json.loads(response.read())
        except TimeoutError:
            raise LabError(
                f"the conductor (pid {self.session.conductor.pid}) did not respond within "
                f"{timeout_s:g} s; see `lab doctor`, or end it with `lab down`"
            ) from None
        except (OSError, http.client.HTTPException, ValueError):
            raise LabError(
                f"the conductor (pid {self.session.conductor.pid}) cannot be reached; "
                "it may be ending right now, see `lab doctor`"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            raise LabError(
                str(document.get("error", f"HTTP {response.status}")),
                int(document.get("status", 2)),
            )
        return dict(document)


def connect(folder: SessionFolder | None = None) -> ConductorClient:
    """The running lab of this directory. Raises LabError when there is none; what a dead conductor
    left behind is cleaned away first, and told."""
    folder = folder or SessionFolder(home_folder())
    session = folder.read()
    if session is None or not session.conductor.alive():
        leftover = folder.clean_stale()
        if leftover is not None:
            raise LabError(f"{NOTHING_RUNS} ({leftover.sentence()})")
        raise LabError(f"{NOTHING_RUNS} (looked in {folder.path})")
    return ConductorClient(session, folder.read_token(session))
