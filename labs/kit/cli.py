"""The `lab` command. Each family of subcommands has a module of its own; what is heavy to import is
imported by the command that needs it."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from labs.kit import (
    cli_bank,
    cli_bench,
    cli_check,
    cli_client,
    cli_compare,
    cli_exercise,
    cli_fault,
    cli_fuzz,
    cli_grade,
    cli_guide,
    cli_list,
    cli_order,
    cli_quiz,
    cli_replay,
    cli_run,
    cli_session,
    cli_timeline,
    cli_verify,
)
from labs.kit.errors import COULD_NOT, DONE, LabError, nearest
from labs.kit.output import print_json, tell
from labs.kit.text import visible

app = typer.Typer(
    name="lab",
    help="Distributed systems on your own machine: start a cluster, break it, watch it heal.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli_list.add_to(app)
cli_session.add_to(app)
app.add_typer(cli_fault.app, name="fault")
cli_client.add_to(app)
cli_bank.add_to(app)
cli_order.add_to(app)
cli_bench.add_to(app)
cli_fuzz.add_to(app)
cli_check.add_to(app)
cli_grade.add_to(app)
cli_exercise.add_to(app)
cli_replay.add_to(app)
cli_run.add_to(app)
cli_compare.add_to(app)
cli_guide.add_to(app)
cli_quiz.add_to(app)
cli_timeline.add_to(app)
cli_verify.add_to(app)


@app.callback()
def _options(
    debug: Annotated[  # taken off the arguments by `main`, so that it may stand anywhere
        bool, typer.Option("--debug", help="Show a traceback when something goes wrong.")
    ] = False,
) -> None:
    del debug


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point: runs one command and exits with its status."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Runs one command and returns its exit status. Every error is one line on stderr, and with
    --json a document with `error` on stdout."""
    ours, separator, rest = _split(arguments)
    debug = "--debug" in ours or os.environ.get("FAULTLAB_DEBUG") == "1"
    kept = [argument for argument in ours if argument != "--debug"]
    caught: BaseException
    try:
        status = app(args=[*kept, *separator, *rest], prog_name="lab", standalone_mode=False)
        return status if isinstance(status, int) else DONE
    except LabError as error:
        caught, message, status = error, error.message, error.status
    except (KeyboardInterrupt, typer.Abort) as interrupt:
        caught, message, status = interrupt, "interrupted", COULD_NOT
    except BrokenPipeError:
        # Whoever read our output has enough; the interpreter must not complain about it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT
    except Exception as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            tell(str(getattr(error, "message", error)))
            return COULD_NOT
        caught, (message, status) = error, _explain(error, kept)
    if debug:
        traceback.print_exception(caught)
    if "--json" in ours:
        print_json({"error": message})
    tell(f"lab: {visible(message)}")
    return status


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """What stands before a `--`, the `--` itself, and what stands after it."""
    listed = list(arguments)
    if "--" not in listed:
        return listed, [], []
    place = listed.index("--")
    return listed[:place], ["--"], listed[place + 1 :]


def _explain(error: Exception, arguments: Sequence[str]) -> tuple[str, int]:
    usage = getattr(error, "format_message", None)
    if usage is None:
        hint = "run it again with --debug for details"
        return f"unexpected {type(error).__name__}: {_one_line(str(error))}; {hint}", COULD_NOT
    context: Any = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lab"
    message = _one_line(usage()).rstrip(".")
    unknown = _unknown_command(context, message, arguments)
    if any(argument.startswith("-") and argument[1:2].isdigit() for argument in arguments):
        unknown += "; a value that begins with a dash goes behind `--`"
    return f"{message}{unknown} (see `{command} --help`)", COULD_NOT


def _unknown_command(context: Any, message: str, arguments: Sequence[str]) -> str:
    commands = getattr(getattr(context, "command", None), "commands", None)
    if not commands or not message.startswith("No such command") or "mean" in message:
        return ""
    given = next((word for word in arguments if f"'{word}'" in message), "")
    return f"; {nearest(given, commands)}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    main()
