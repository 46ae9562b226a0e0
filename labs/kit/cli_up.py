"""`lab up`: the conductor is this process, or with --detach one in the background."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import labs
from labs.kit.errors import COULD_NOT, DONE, LabError
from labs.kit.output import print_json, tell
from labs.kit.registry import load_lab
from labs.kit.runtime import RuntimeChoice, begin_early, choose_runtime, cluster_factory
from labs.kit.session import SessionFolder, home_folder
from labs.kit.settings import Plan, make_plan
from labs.kit.text import visible
from nodes.lean import without_openssl

LOG_NAME = "conductor.log"
PROJECT_FOLDER = Path(labs.__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class UpRequest:
    """What the user wrote after `lab up`. `because`: why the command that started this conductor
    chose its runtime."""

    lab: str
    nodes: int | None
    runtime: str
    assignments: tuple[str, ...]
    seed: int
    because: str = ""

    def plan(self) -> Plan:
        """Raises LabError when it makes no sense."""
        return make_plan(
            load_lab(self.lab), nodes=self.nodes, assignments=self.assignments, seed=self.seed
        )

    def arguments(self, choice: RuntimeChoice) -> list[str]:
        """The same, for the conductor in the background."""
        words = ["up", self.lab, "--runtime", choice.name, "--because", choice.why]
        words += ["--seed", str(self.seed)]
        if self.nodes is not None:
            words += ["--nodes", str(self.nodes)]
        for assignment in self.assignments:
            words += ["--set", assignment]
        return words


def run_up(request: UpRequest, *, detach: bool, as_json: bool, report_to: int) -> int:
    """Starts a lab; returns when it ended, or with `detach` when it is ready."""
    plan = request.plan()
    choice = choose_runtime(request.runtime)
    if request.because:
        choice = RuntimeChoice(choice.name, request.because)
    folder = SessionFolder(home_folder())
    if detach:
        return _detached(request, choice, folder, as_json)
    begin_early(choice.name, plan.cluster_spec())
    if report_to >= 0:
        return _in_background(plan, choice, folder, report_to)
    from labs.kit.fronts import LiveFront, terminal_front

    front = terminal_front(plan.lab, as_json=as_json)
    folder.create()
    quiet = (
        front.undisturbed(folder.path / LOG_NAME)
        if isinstance(front, LiveFront)
        else contextlib.nullcontext()
    )
    with quiet:
        ended_by = _conduct(plan, choice, folder, front)
    tell(f"{ended_by}: the {plan.lab.id} lab has ended")
    return DONE


def _conduct(plan: Plan, choice: RuntimeChoice, folder: SessionFolder, front: Any) -> str:
    with without_openssl():
        from labs.kit.conductor import conduct

    return asyncio.run(conduct(plan, choice, folder, lambda: cluster_factory(choice.name), front))


def _in_background(plan: Plan, choice: RuntimeChoice, folder: SessionFolder, report_to: int) -> int:
    from labs.kit.fronts import PipeFront

    front = PipeFront(report_to)
    try:
        ended_by = _conduct(plan, choice, folder, front)
    except LabError as error:
        front.failed(error.message, error.status)
        return error.status
    except Exception as error:
        front.failed(f"unexpected {type(error).__name__}: {error}", COULD_NOT)
        traceback.print_exc()
        return COULD_NOT
    tell(f"{ended_by}: the {plan.lab.id} lab has ended")
    return DONE


def _detached(
    request: UpRequest, choice: RuntimeChoice, folder: SessionFolder, as_json: bool
) -> int:
    folder.create()
    # Told here as well, since the log of a lab that runs must not be overwritten.
    with folder.lock() as leftover:
        if leftover is not None:
            tell(leftover.sentence())
        log_path = folder.path / LOG_NAME
        log = os.fdopen(os.open(log_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w")
    reader, writer = os.pipe()
    with log, os.fdopen(reader) as reports:
        try:
            child = _spawn(request.arguments(choice), writer, log)
        finally:
            os.close(writer)
        try:
            document = _follow(reports)
            # The lab is up: who interrupts us now only hears of it.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        except KeyboardInterrupt:
            child.send_signal(signal.SIGTERM)
            child.wait()
            raise LabError("interrupted before the lab was ready; everything ended") from None
    if document is None:
        child.wait()
        raise LabError(f"the conductor ended without a word; see {log_path}")
    if "error" in document:
        child.wait()
        raise LabError(str(document["error"]), int(document["status"]))
    return _tell_ready(document["ready"], as_json)


def _spawn(arguments: Sequence[str], writer: int, log: IO[str]) -> subprocess.Popen[bytes]:
    environment = dict(os.environ)
    # -P: a file in the working directory must not stand in for a module of the library.
    paths = [str(PROJECT_FOLDER), *filter(None, [environment.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(paths)
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "labs.kit.cli", *arguments, "--report-to", str(writer)],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        env=environment,
        pass_fds=(writer,),
        start_new_session=True,
    )


def _follow(reports: IO[str]) -> dict[str, Any] | None:
    """Passes progress on until the lab is ready or failed; None when the conductor just ended."""
    for line in reports:
        document: dict[str, Any] = json.loads(line)
        if "progress" not in document:
            return document
        tell(visible(str(document["progress"])))
    return None


def _tell_ready(status: dict[str, Any], as_json: bool) -> int:
    if as_json:
        print_json(status)
        return DONE
    from labs.kit.fronts import first_steps

    _, second, *where = first_steps(status)
    leader = status.get("leader")
    print(f"{status['lab']} is ready" + (f", {leader} leads" if leader else ""), flush=True)
    tell(second.replace("from a second terminal", "try"))
    for line in where:
        tell(line)
    tell("end it with `lab down`")
    return DONE
