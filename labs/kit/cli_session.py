"""`lab up | status | watch | logs | down | doctor`: a lab from its start to its end."""

from __future__ import annotations

import sys
import time
from typing import Annotated, Any

import typer

from labs.kit.api_client import ConductorClient, connect
from labs.kit.errors import COULD_NOT, DONE, LabError
from labs.kit.options import LabArgument
from labs.kit.output import JsonFlag, print_json, tell
from labs.kit.session import SessionFolder, home_folder

DOWN_PATIENCE_S = 15.0


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    for function in (up, status, watch, logs, down, doctor):
        app.command()(function)


def up(
    lab: LabArgument,
    nodes: Annotated[
        int | None, typer.Option("--nodes", metavar="N", help="How many nodes; default: the lab's.")
    ] = None,
    runtime: Annotated[
        str, typer.Option(metavar="auto|compose|local", help="Where the nodes run.")
    ] = "auto",
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when the lab is ready, and leave it running.")
    ] = False,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A setting; may be repeated."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="S", help="Of all that is drawn at random.")] = 0,
    json: JsonFlag = False,
    report_to: Annotated[int, typer.Option("--report-to", hidden=True)] = -1,
    because: Annotated[str, typer.Option("--because", hidden=True)] = "",
) -> int:
    """Start a lab and show how it is doing; Ctrl-C ends it.

    Examples: lab up raft; lab up raft --nodes 3 --set election_timeout_ms_max=2000 --detach
    """
    from labs.kit.cli_up import UpRequest, run_up

    request = UpRequest(lab, nodes, runtime, tuple(assignments or ()), seed, because)
    return run_up(request, detach=detach, as_json=json, report_to=report_to)


def status(
    key: Annotated[
        str | None, typer.Option("--key", metavar="KEY", help="Also what each node holds of it.")
    ] = None,
    json: JsonFlag = False,
) -> int:
    """Show nodes, links and faults of the running lab."""
    query = {} if key is None else {"key": _checked(key)}
    document = connect().get("/v1/status", query)
    if json:
        print_json(document)
        return DONE
    from rich.console import Console

    from labs.kit import live
    from labs.kit.registry import load_lab

    console = Console(highlight=False)
    console.print(live.draw(load_lab(document["lab"]), document, (), 0))
    return DONE


def _checked(key: str) -> str:
    from labs.kit.operations import Operation

    # Here already, since an address holds neither any length nor bytes that are no text.
    Operation("get", key).check()
    return key


def watch(json: JsonFlag = False) -> int:
    """Show the running lab until Ctrl-C; the lab goes on.

    With --json: the status and the last events, once.
    """
    client = connect()
    if json:
        print_json({**client.get("/v1/status"), **client.get("/v1/events")})
        return DONE
    from rich.console import Console

    from labs.kit import live

    console = Console(highlight=False)
    try:
        if live.can_redraw(console):
            _watch_picture(client, console)
        else:
            _watch_lines(client)
    except KeyboardInterrupt:
        tell("the lab goes on; end it with `lab down`")
    return DONE


def _watch_picture(client: ConductorClient, console: Any) -> None:
    from rich.live import Live

    from labs.kit import live
    from labs.kit.registry import load_lab

    document = client.get("/v1/status")
    lab = load_lab(document["lab"])
    with Live(console=console, auto_refresh=False) as screen:
        while True:
            lines = live.lines_for_events(console, lab, document)
            events = client.get("/v1/events", {"after": max(0, document["event_seq"] - lines)})
            screen.update(live.draw(lab, document, events["events"], lines), refresh=True)
            time.sleep(live.REFRESH_S)
            document = _while_it_runs(client, "/v1/status")


def _watch_lines(client: ConductorClient) -> None:
    seq = 0
    while True:
        query = {"after": seq, "wait_ms": 10_000}
        news = _while_it_runs(client, "/v1/events", query)
        for event in news["events"]:
            seq = event["seq"]
            print(f"{event['at_ms'] / 1000:9.2f} s  {event['sentence']}", flush=True)


def _while_it_runs(
    client: ConductorClient, path: str, query: dict[str, Any] | None = None
) -> dict[str, Any]:
    try:
        return client.get(path, query, timeout_s=15)
    except LabError:
        if client.session.conductor.wait_gone(1.0):
            tell("the lab has ended")
            raise typer.Exit(DONE) from None
        raise


def logs(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Such as n1.")],
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="How many of the last lines.")] = 50,
    json: JsonFlag = False,
) -> int:
    """Print what a node wrote to its log: when it stopped, and what it complained of.

    Without a running lab: of the last one.
    """
    if json and follow:
        raise LabError("--json prints one document, so it cannot go with --follow")
    from labs.kit.last_run import last_log

    kept = last_log(SessionFolder(home_folder()), node, lines)
    client = connect() if kept is None else None
    document = kept or _logs_of(client, {"node": node, "lines": lines})
    if json:
        print_json(document)
        return DONE
    if client is None:
        tell(f"no lab runs here; this is {node}'s log of the last one")
    if not document["lines"]:
        tell(f"{node} has complained of nothing yet; what it did: lab watch, lab timeline")
    try:
        while True:
            for line in document["lines"]:
                print(line, flush=True)
            if not follow or client is None:
                return DONE
            time.sleep(0.3)
            query = {"node": node, "after": document["offset"]}
            document = _while_it_runs(client, "/v1/logs", query)
    except KeyboardInterrupt:
        return DONE


def _logs_of(client: ConductorClient | None, query: dict[str, Any]) -> dict[str, Any]:
    assert client is not None, "a lab runs, or its log was kept"
    return client.get("/v1/logs", query)


def down(json: JsonFlag = False) -> int:
    """End the running lab; nothing of it stays but its record, for lab timeline and lab logs."""
    folder = SessionFolder(home_folder())
    session = folder.read()
    if session is None or not session.conductor.alive():
        leftover = folder.clean_stale()
        message = "no lab is running here" if leftover is None else leftover.sentence()
        return _down_done(json, lab=None, message=message)
    try:
        ConductorClient(session, folder.read_token(session)).post("/v1/down", {})
    except LabError:
        # It does not respond, but it is ours: a signal asks it in another way.
        import signal

        session.conductor.send(signal.SIGTERM)
    if not session.conductor.wait_gone(DOWN_PATIENCE_S):
        raise LabError(
            f"the conductor (pid {session.conductor.pid}) has not ended within "
            f"{DOWN_PATIENCE_S:g} s; `lab doctor --clean` ends it by force"
        )
    folder.clean_stale()
    return _down_done(json, lab=session.lab, message=f"the {session.lab} lab has ended")


def _down_done(as_json: bool, *, lab: str | None, message: str) -> int:
    if as_json:
        print_json({"ended": lab, "message": message})
    else:
        print(message)
    return DONE


def doctor(
    clean: Annotated[
        bool, typer.Option("--clean", help="Also end and remove what dead labs left behind.")
    ] = False,
    json: JsonFlag = False,
) -> int:
    """Check what the labs need on this machine, and say what to do about what is missing."""
    from labs.kit.doctor import examine

    findings = examine(SessionFolder(home_folder()), clean=clean)
    if json:
        print_json([finding.to_json() for finding in findings])
    else:
        for finding in findings:
            print(finding.line())
    sys.stdout.flush()
    return COULD_NOT if any(finding.level == "bad" for finding in findings) else DONE
