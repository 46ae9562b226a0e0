"""`lab fault ...`: break the running lab, and heal it."""

from __future__ import annotations

import math
from typing import Annotated, Any

import typer

from labs.kit.api_client import connect
from labs.kit.durations import parse_ms
from labs.kit.errors import DONE, LabError
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.text import span, visible

# A heal may have to start nodes again; nothing that a fault does takes longer.
FAULT_PATIENCE_S = 60.0

app = typer.Typer(
    help="Break the running lab, and heal it. Nodes are named by id (n1), list (n1,n2), role "
    "(leader, follower), random, all, majority or minority.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Nodes = Annotated[list[str], typer.Argument(metavar="NODES...", help="n1, n1,n2, leader, ...")]
A = Annotated[str, typer.Argument(metavar="A", help="A node, or client.")]
B = Annotated[str, typer.Argument(metavar="B", help="Another node, or client.")]
OneWay = Annotated[bool, typer.Option("--one-way", help="Only what A sends to B.")]


@app.command()
def partition(
    groups: Annotated[
        list[str],
        typer.Argument(metavar="GROUPS...", help="Nodes of a group joined by commas."),
    ],
    json: JsonFlag = False,
) -> int:
    """Silence between groups of nodes; a single group is cut from all others.

    Examples: lab fault partition n1,n2 n3,n4,n5; lab fault partition minority
    """
    return _inject({"do": "partition", "groups": [_names([group]) for group in groups]}, json)


@app.command()
def isolate(node: Annotated[str, typer.Argument(metavar="NODE")], json: JsonFlag = False) -> int:
    """Silence between one node and all others. Example: lab fault isolate leader"""
    return _inject({"do": "isolate", "node": node}, json)


@app.command()
def cut(a: A, b: B, one_way: OneWay = False, json: JsonFlag = False) -> int:
    """Silence between two nodes. Example: lab fault cut n1 n2 --one-way"""
    return _inject({"do": "cut", "a": a, "b": b, "one_way": one_way}, json)


@app.command()
def sever(a: A, b: B, json: JsonFlag = False) -> int:
    """Connections between two nodes are refused at once. Example: lab fault sever n1 n2"""
    return _inject({"do": "sever", "a": a, "b": b}, json)


@app.command()
def delay(
    a: A,
    b: B,
    latency: Annotated[str, typer.Argument(metavar="TIME", help="Such as 200ms.")],
    jitter: Annotated[
        str, typer.Option(metavar="TIME", help="More or less by up to this much.")
    ] = "0ms",
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """What is sent arrives later. Example: lab fault delay n1 n2 200ms --jitter 50ms"""
    fault = {
        "do": "delay",
        "a": a,
        "b": b,
        "delay_ms": parse_ms(latency, "TIME"),
        "jitter_ms": parse_ms(jitter, "--jitter"),
        "one_way": one_way,
    }
    return _inject(fault, json)


@app.command()
def bandwidth(
    a: A,
    b: B,
    rate: Annotated[int, typer.Argument(metavar="KB/S", help="Kilobytes a second.")],
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """A slow link. Example: lab fault bandwidth n1 n2 100"""
    return _inject(
        {"do": "bandwidth", "a": a, "b": b, "rate_kilobytes_per_s": rate, "one_way": one_way}, json
    )


@app.command()
def slice(
    a: A,
    b: B,
    size: Annotated[int, typer.Option(metavar="BYTES", help="Average size of a piece.")] = 64,
    variation: Annotated[int, typer.Option(metavar="BYTES", help="More or less by.")] = 16,
    pause: Annotated[str, typer.Option(metavar="TIME", help="Between two pieces.")] = "1ms",
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """Data arrives in small pieces. Example: lab fault slice n1 n2 --size 64"""
    fault = {
        "do": "slice",
        "a": a,
        "b": b,
        "average_size_bytes": size,
        "size_variation_bytes": variation,
        "delay_us": parse_ms(pause, "--pause") * 1000,
        "one_way": one_way,
    }
    return _inject(fault, json)


@app.command(name="slow-close")
def slow_close(
    a: A,
    b: B,
    pause: Annotated[str, typer.Argument(metavar="TIME", help="Such as 2s.")],
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """Connections close late. Example: lab fault slow-close n1 n2 2s"""
    delay_ms = parse_ms(pause, "TIME")
    return _inject(
        {"do": "slow-close", "a": a, "b": b, "delay_ms": delay_ms, "one_way": one_way}, json
    )


@app.command()
def limit(
    a: A,
    b: B,
    count: Annotated[int, typer.Argument(metavar="BYTES", help="After so many bytes.")],
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """Connections break after some data, in the middle of a message if need be.

    Example: lab fault limit n1 n2 10000
    """
    return _inject({"do": "limit", "a": a, "b": b, "limit_bytes": count, "one_way": one_way}, json)


@app.command()
def reset(
    a: A,
    b: B,
    after: Annotated[str, typer.Option(metavar="TIME", help="How long they live.")] = "0ms",
    one_way: OneWay = False,
    json: JsonFlag = False,
) -> int:
    """Connections are reset. Example: lab fault reset n1 n2"""
    after_ms = parse_ms(after, "--after")
    return _inject({"do": "reset", "a": a, "b": b, "after_ms": after_ms, "one_way": one_way}, json)


@app.command()
def kill(nodes: Nodes, json: JsonFlag = False) -> int:
    """End nodes without a goodbye; what they wrote stays. Example: lab fault kill leader"""
    return _inject({"do": "kill", "nodes": _names(nodes)}, json)


@app.command()
def pause(nodes: Nodes, json: JsonFlag = False) -> int:
    """Stop nodes in their tracks, as a long garbage collection does. Example: lab fault pause n2"""
    return _inject({"do": "pause", "nodes": _names(nodes)}, json)


@app.command()
def resume(nodes: Nodes, json: JsonFlag = False) -> int:
    """Let paused nodes go on. Example: lab fault resume n2"""
    return _inject({"do": "resume", "nodes": _names(nodes)}, json)


@app.command()
def restart(nodes: Nodes, json: JsonFlag = False) -> int:
    """Kill nodes that are up, and start them again. Example: lab fault restart n1,n2"""
    return _inject({"do": "restart", "nodes": _names(nodes)}, json)


@app.command()
def wipe(nodes: Nodes, json: JsonFlag = False) -> int:
    """Restart nodes with an empty disk. Example: lab fault wipe n2"""
    return _inject({"do": "wipe", "nodes": _names(nodes)}, json)


@app.command(name="crash-at")
def crash_at(
    nodes: Annotated[str, typer.Argument(metavar="NODES", help="n1, or n1,n2, leader, ...")],
    point: Annotated[str, typer.Argument(metavar="POINT", help="`lab list LAB` has them.")],
    after: Annotated[int, typer.Option(metavar="K", help="Let K passes go first.", min=0)] = 0,
    json: JsonFlag = False,
) -> int:
    """Kill nodes when they come to a point of their protocol, between two of its steps.

    What came before it is on disk and has been sent, nothing behind it is done. `lab fault list`
    says whether a node has died there; a heal disarms. Example: lab fault crash-at n1
    decision-logged --after 2
    """
    return _inject(
        {"do": "crash-at", "nodes": _names([nodes]), "point": point, "after": after}, json
    )


@app.command(name="power-cut")
def power_cut(nodes: Nodes, json: JsonFlag = False) -> int:
    """Kill nodes, and lose what they had not synced. Example: lab fault power-cut all"""
    return _inject({"do": "power-cut", "nodes": _names(nodes)}, json)


@app.command()
def skew(
    nodes: Nodes,
    offset: Annotated[
        str, typer.Option(metavar="TIME", help="Such as 5s or -5s.", show_default=False)
    ] = "0ms",
    rate: Annotated[
        float, typer.Option(metavar="RATE", help="1 is true, 0.5 is half speed.")
    ] = 1.0,
    json: JsonFlag = False,
) -> int:
    """Nodes' wall clocks go wrong; this machine's clock stays as it is.

    Example: lab fault skew n1 --offset 5s --rate 0.5
    """
    fault = {
        "do": "skew",
        "nodes": _names(nodes),
        "offset_ms": parse_ms(offset, "--offset"),
        "rate": rate,
    }
    return _inject(fault, json)


CallTargets = Annotated[
    list[str],
    typer.Argument(metavar="[NODE [PEER]] PERCENT", help="Whose calls, to whom, how many."),
]
Requests = Annotated[bool, typer.Option("--requests", help="Only requests.")]
Responses = Annotated[bool, typer.Option("--responses", help="Only responses.")]


@app.command()
def lose(
    targets: CallTargets,
    requests: Requests = False,
    responses: Responses = False,
    json: JsonFlag = False,
) -> int:
    """Single calls get lost: the request never arrives, or the response does not.

    Examples: lab fault lose 10; lab fault lose client 30% --responses
    """
    fault = _call_fault("lose", targets)
    if requests and responses:
        raise LabError("give --requests or --responses; without either both are lost")
    if requests or responses:
        fault["which"] = "requests" if requests else "responses"
    return _inject(fault, json)


@app.command()
def duplicate(targets: CallTargets, json: JsonFlag = False) -> int:
    """Single requests arrive twice. Example: lab fault duplicate n1 20"""
    return _inject(_call_fault("duplicate", targets), json)


@app.command()
def reorder(
    targets: CallTargets,
    hold: Annotated[
        str, typer.Option(metavar="TIME", help="Requests are held back up to this long.")
    ] = "50ms",
    json: JsonFlag = False,
) -> int:
    """Single requests are overtaken by later ones. Example: lab fault reorder 20 --hold 100ms"""
    fault = {**_call_fault("reorder", targets), "hold_ms": parse_ms(hold, "--hold")}
    return _inject(fault, json)


@app.command()
def heal(json: JsonFlag = False) -> int:
    """Undo everything: links clean, nodes resumed and restarted, clocks true.

    Returns when all have caught up with what they missed, and says so of those that have not yet.
    """
    return _inject({"do": "heal"}, json)


@app.command(name="list")
def list_faults(json: JsonFlag = False) -> int:
    """List the faults that are active."""
    status = connect().get("/v1/status")
    if json:
        print_json(status["faults"])
        return DONE
    for fault in status["faults"]:
        age = span(float(status["now_ms"]) - float(fault["since_ms"]))
        what = fault.get("sentence") or f"{fault['kind']} {', '.join(fault['nodes'])}"
        print(f"{visible(str(what))} ({age} ago)")
    if not status["faults"]:
        tell("no fault is active")
    return DONE


def _names(words: list[str]) -> list[str]:
    """`n1,n2 n3` as three names. Raises LabError for an empty one."""
    names = [name for word in words for name in word.split(",")]
    if not all(names):
        raise LabError(f"{' '.join(words)!r}: a name is empty; write nodes as n1,n2")
    return names


def _call_fault(kind: str, targets: list[str]) -> dict[str, Any]:
    *nodes, percent = targets
    if len(nodes) > 2:
        raise LabError(f"expected [NODE [PEER]] PERCENT, as in `lab fault {kind} n1 n2 20`")
    try:
        number = float(percent.removesuffix("%"))
    except ValueError:
        raise LabError(f"{percent}: expected a percentage, as in `lab fault {kind} 20`") from None
    fault: dict[str, Any] = {"do": kind, "percent": number}
    if nodes:
        fault["nodes"] = _names([nodes[0]])
    if len(nodes) == 2:
        fault["peer"] = nodes[1]
    return fault


def _inject(fault: dict[str, Any], as_json: bool) -> int:
    for value in fault.values():
        if isinstance(value, float) and not math.isfinite(value):
            raise LabError(f"{value} makes no sense here; give a finite number")
    result = connect().post("/v1/fault", {"fault": fault}, timeout_s=FAULT_PATIENCE_S)
    if as_json:
        print_json(result)
        return DONE
    for line in result["resolved"]:
        tell(visible(line))
    print(visible(result["sentence"]), flush=True)
    if result["watch_for"]:
        tell(f"watch for: {visible(result['watch_for'])}")
    if lagging := result.get("lagging"):
        tell(f"not caught up yet: {', '.join(map(visible, lagging))}; `lab status` shows how far")
    return DONE
