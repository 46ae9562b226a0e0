"""One check on one seed: a verdict, and what was seen when it is not a pass.

The learner's code never runs here: it lives in a process of its own (player.py), and what it says
is all that reaches the judge. The reference and planted bugs are our own code, and run inside.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from labs.kit.check import Failed, Vacuous
from labs.kit.grading.course import Check, Course, load_course
from labs.kit.grading.last_views import last_views
from labs.kit.grading.learner_error import LearnerError
from labs.kit.lab import Lab
from labs.kit.registry import load_lab
from nodes.cluster.api import Cluster, Indeterminate
from nodes.core import Core, Effect, Event, NodeId
from nodes.loading import load_core
from nodes.sim.cluster import SimCluster, simulate
from nodes.sim.disk import MisuseOfDisk

Verdict = Literal["pass", "fail", "unknown"]
STEPS_MAX: Final = 200_000  # of a run; the dearest check takes a twentieth of it
RUN_S_MAX: Final = 30.0  # of processor time, for a run that takes a fraction of a second
REHEARSED_SEED: Final = 1
PICTURE_MS: Final = 1500  # before the failure
PICTURE_LINES: Final = 30


@dataclass(frozen=True, slots=True)
class Implementation:
    """What is judged. `core` is `module:Class`, ours; or `file` is the learner's, with its class,
    of which the methods in `given` are taken from the reference. The player reads a file that
    was saved anew."""

    label: str
    core: str = ""
    file: Path | None = None
    class_name: str = ""
    given: tuple[str, ...] = ()

    @property
    def ours(self) -> bool:
        """It may run inside the judge."""
        return self.file is None


@dataclass(frozen=True, slots=True)
class Run:
    """What to do: one check, one seed, in one runtime. `picture`: draw how it ended."""

    check: str
    seed: int
    implementation: Implementation
    runtime: str = "sim"
    picture: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it. A pass has no words; `where` is a place in the learner's file, and `views`
    what each node showed in the end."""

    run: Run
    verdict: Verdict
    expected: str = ""
    observed: str = ""
    where: str = ""
    views: tuple[str, ...] = ()
    picture: str = ""
    printed: str = ""
    elapsed_s: float = 0.0


class GoesInCircles(Exception):
    """A run that never ends."""


class Bounds:
    """An observer that ends a run which takes a hundred times as long as it should."""

    def __init__(self) -> None:
        self._began_s = time.process_time()

    def __call__(
        self, cluster: SimCluster, node: NodeId, event: Event, effects: Sequence[Effect]
    ) -> None:
        """See Observer."""
        if cluster.steps > STEPS_MAX:
            raise GoesInCircles(
                f"{STEPS_MAX:,} steps in {cluster.now_ms():,} virtual ms, and no end"
            )
        if time.process_time() - self._began_s > RUN_S_MAX:
            raise GoesInCircles(f"no end after {RUN_S_MAX:g} s of computing")


class Judge:
    """Runs checks of one lab, one after the other. Use as a context manager: a player of the
    learner's code is kept from run to run."""

    def __init__(self, course: Course) -> None:
        self.course = course
        self._lab = load_lab(course.lab)
        self._player: Any = None
        self._played: Implementation | None = None
        self._rehearsed: dict[tuple[Implementation, int], Exception | None] = {}

    def __enter__(self) -> Judge:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_player()

    def run(self, run: Run) -> Outcome:
        """The outcome. Raises only what is wrong with the judge itself."""
        check = self.course.check(run.check)
        began_s = time.perf_counter()
        watch = _Watch(self._lab)
        attempt = self._in_simulation if run.runtime == "sim" else self._on_processes
        outcome = self._judged(run, lambda: attempt(run, check, watch))
        # A run on real nodes does not come back, so one that fails is drawn at once.
        wanted = run.picture or (run.runtime != "sim" and outcome.verdict == "fail")
        drawn = watch.drawn(outcome) if wanted else ""
        return replace(
            outcome,
            views=watch.views if outcome.verdict == "fail" else (),
            picture=drawn,
            printed=self._printed(),
            elapsed_s=time.perf_counter() - began_s,
        )

    def _judged(self, run: Run, attempt: Callable[[], None]) -> Outcome:
        try:
            attempt()
        except Failed as failed:
            return Outcome(run, "fail", failed.expected, failed.observed)
        except Vacuous as vacuous:
            return Outcome(run, "unknown", "", vacuous.reason)
        except TimeoutError as late:
            return Outcome(run, "fail", "it comes about in time", str(late))
        except Indeterminate as unknown:
            return Outcome(run, "fail", "the call is answered", str(unknown))
        except self.course.broken as broken:
            return Outcome(run, "fail", *_split(broken))
        except LearnerError as error:
            return Outcome(run, "fail", "the code does its part", error.message, error.where)
        except GoesInCircles as circles:
            return Outcome(run, "fail", "the run comes to an end", str(circles))
        except MisuseOfDisk as misuse:
            return Outcome(run, "fail", "the disk is used as it can be", str(misuse))
        except Exception as error:
            # What a core shows may be anything: that must not end the judge, and is no pass.
            said = " ".join(f"{type(error).__name__}: {error}".split())
            if run.implementation.ours and isinstance(error, AssertionError):
                return Outcome(run, "fail", "no assertion of the core fails", said)
            return Outcome(run, "unknown", "", f"the run could not be judged: {said}")
        return Outcome(run, "pass")

    # ------------------------------------------------------------------------------------ runtimes

    def _in_simulation(self, run: Run, check: Check, watch: _Watch) -> None:
        # The player's cores stand in for the reference, which is only named then.
        spec = self.course.spec_of(check, self._core_name(run.implementation), run.seed, True)
        options = replace(self.course.options_of(run.seed), record=run.picture, digest=False)
        simulate(
            spec,
            watch.program(check),
            options=options,
            cores=self._cores(run.implementation, spec),
            observers=[*self.course.observers(check), Bounds()],
        )

    def _on_processes(self, run: Run, check: Check, watch: _Watch) -> None:
        from labs.kit.grading.real import on_processes

        if not run.implementation.ours:
            self._rehearse(run.implementation)
        name = self._core_name(run.implementation, real=True)
        spec = self.course.spec_of(check, name, run.seed, False)
        asyncio.run(on_processes(run.runtime, spec, watch.program(check), watch.take))

    def _rehearse(self, implementation: Implementation) -> None:
        """One schedule a part in the cage: nodes of their own have limits, but no cage. Raises what
        the file did there instead of its part; whether it keeps its guarantees is asked later."""
        assert implementation.file is not None, "our own cores need no cage"
        key = implementation, _saved_ns(implementation.file)
        if key not in self._rehearsed:
            self._rehearsed[key] = self._first_trouble(implementation)
        trouble = self._rehearsed[key]
        if trouble is not None:
            raise trouble

    def _first_trouble(self, implementation: Implementation) -> Exception | None:
        for part in self.course.parts:
            tried = [one for one in self.course.checks if one.part == part.number and one.simulated]
            for check in tried[:1]:
                run = Run(check.id, REHEARSED_SEED, implementation)
                try:
                    self._in_simulation(run, check, _Watch(self._lab))
                except LearnerError as error:
                    said = f"in simulation, before it ran on nodes of its own: {error.message}"
                    return LearnerError(said, error.where, error.kind)
                except GoesInCircles as circles:
                    return circles
                except Exception:  # A guarantee that is not kept is no matter of the cage.
                    continue
        return None

    def _core_name(self, implementation: Implementation, *, real: bool = False) -> str:
        if implementation.ours:
            return implementation.core
        if not real:
            return self.course.reference
        file, given = implementation.file, ",".join(implementation.given)
        return f"{file}:{implementation.class_name}:{self.course.reference}:{given}"

    def _cores(self, implementation: Implementation, spec: Any) -> Mapping[NodeId, type[Core]]:
        if implementation.ours:
            return dict.fromkeys(spec.node_ids, load_core(implementation.core))
        if self._player is None or self._played != implementation:
            self._end_player()
            self._player = self._begin_player(implementation)
            self._played = implementation
        cores: Mapping[NodeId, type[Core]] = self._player.cores(spec)
        return cores

    def _begin_player(self, implementation: Implementation) -> Any:
        from labs.kit.grading.player import Player

        player = Player(
            str(implementation.file),
            implementation.class_name,
            protos=self._lab.protos,
            base=self.course.reference,
            label=implementation.label,
            fallback=implementation.given,
        )
        return player.__enter__()

    def _end_player(self) -> None:
        if self._player is not None:
            self._player.__exit__(None, None, None)
            self._player = self._played = None

    def _printed(self) -> str:
        return "" if self._player is None else str(self._player.output)


def begin(lab: str) -> Callable[[Run], Outcome]:
    """What a worker process runs; its judge lives as long as the process."""
    judge = Judge(load_course(lab))
    return judge.run


class _Watch:
    """Keeps what is needed to show how a run ended, also of one that fails."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self.views: tuple[str, ...] = ()
        self._events: Sequence[Any] = ()
        self._nodes: tuple[NodeId, ...] = ()
        self._ended_ms = 0.0

    def program(self, check: Check) -> Callable[[Any], Any]:
        """The check's function, watched."""

        async def watched(cluster: Cluster) -> None:
            self._nodes = cluster.nodes
            try:
                await check.function(cluster)
            except BaseException as error:
                # A simulation is cancelled when an invariant is broken; its views take no time.
                if isinstance(error, Exception) or isinstance(cluster, SimCluster):
                    self.views = await last_views(self._lab, cluster)
                raise
            finally:
                self._ended_ms = cluster.now_ms()
                if isinstance(cluster, SimCluster):
                    self._events = cluster.timeline

        return watched

    def take(self, events: Sequence[Any]) -> None:
        """What real nodes have recorded."""
        self._events = events

    def drawn(self, outcome: Outcome) -> str:
        """The last moments as a space-time diagram."""
        from labs.kit.timeline import Violation, text_diagram
        from nodes.timeline import merge

        if not self._events:
            return ""
        violation = None
        if outcome.verdict == "fail":
            violation = Violation(outcome.observed, self._ended_ms)
        return text_diagram(
            merge([self._events]),
            lab=self._lab,
            nodes=self._nodes,
            violation=violation,
            from_ms=max(0.0, self._ended_ms - PICTURE_MS),
            to_ms=self._ended_ms + 1,
            lines_max=PICTURE_LINES,
        )


def _saved_ns(file: Path) -> int:
    """When it was saved; 0 when it is gone, which whoever reads it will say."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


def _split(broken: Exception) -> tuple[str, str]:
    """What an invariant promises, and what was seen instead."""
    promise = getattr(broken, "invariant", type(broken).__name__)
    seen = str(broken)
    return str(promise), seen.removeprefix(f"{promise}: ")
