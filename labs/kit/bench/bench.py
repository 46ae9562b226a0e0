"""A lab's benchmark as data, and how its peers are found: they live beside the tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from labs.kit.bench.contender import Contender, Left
from labs.kit.bench.processes import PROJECT_FOLDER
from labs.kit.errors import LabError, nearest
from labs.kit.registry import lab_ids, load_lab

if TYPE_CHECKING:
    from labs.kit.bench.profiling import Profiled


@dataclass(frozen=True, slots=True)
class Goal:
    """The ratio of one contender's figure to another's that is wanted: at most `bound` where lower
    is better, at least `bound` where higher is. None: nothing is wanted, but people ask."""

    measurement: str
    of: str
    to: str
    bound: float | None


@dataclass(frozen=True, slots=True)
class PeerPlace:
    """A peer by name, and the module whose `contenders(nodes)` makes it, or raises Left."""

    name: str
    module: str


@dataclass(frozen=True, slots=True)
class Bench:
    """What a lab's `bench.py` offers as BENCH."""

    lab: str
    title: str
    own: Callable[[int], Sequence[Profiled]]  # with the settings that the peers have
    as_learned: Callable[[int], Sequence[Profiled]]  # with the lab's own settings
    replicate: str  # the call by which a leader hands entries on
    peers: tuple[PeerPlace, ...]
    goals: tuple[Goal, ...]
    not_quick: frozenset[str] = frozenset()  # contenders that a quick run leaves out


def load_bench(name: str) -> Bench:
    """The benchmark of that lab. Raises LabError when there is no such lab, or it has none."""
    name = load_lab(name).id
    module = f"labs.{name.replace('-', '_')}.bench"
    try:
        bench = import_module(module).BENCH
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        have = ", ".join(lab for lab in lab_ids() if _has_bench(lab))
        raise LabError(f"{name} has no benchmark; these have: {have}") from None
    if not isinstance(bench, Bench):
        raise LabError(f"labs/{name}/bench.py does not define BENCH")
    return bench


def _has_bench(lab: str) -> bool:
    return (PROJECT_FOLDER / "labs" / lab.replace("-", "_") / "bench.py").is_file()


def chosen_peers(bench: Bench, wanted: str | None) -> tuple[PeerPlace, ...]:
    """By the names after `--peers`; None is all of them. Raises LabError for an unknown name."""
    if wanted is None:
        return bench.peers
    by_name = {peer.name: peer for peer in bench.peers}
    names = [name.strip() for name in wanted.split(",") if name.strip() not in ("", "none")]
    for name in names:
        if name not in by_name:
            raise LabError(f"--peers {name}: no such peer; {nearest(name, by_name)}")
    return tuple(by_name[name] for name in dict.fromkeys(names))


def find_peers(
    peers: Sequence[PeerPlace], nodes: int
) -> tuple[list[Contender], list[tuple[str, str]]]:
    """Those that can be measured here, and those that cannot with the reason."""
    found: list[Contender] = []
    left_out: list[tuple[str, str]] = []
    for peer in peers:
        path = PROJECT_FOLDER / (peer.module.replace(".", "/") + ".py")
        if not path.is_file():
            left_out.append((peer.name, "it lives beside the tests, which are not installed"))
            continue
        try:
            found += import_module(peer.module).contenders(nodes)
        except Left as left:
            left_out.append((peer.name, str(left)))
    return found, left_out
