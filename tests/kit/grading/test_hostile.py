"""Code that does what no core should. The judge says what it was and in which line, nothing outside
is touched, nothing stays behind, and the next run is as any other.

Inspection would refuse most of these files: here the player has to do without it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import pytest

from labs.kit.grading.player import OUTPUT_BYTES_MAX
from tests.kit.grading.players import ended, on_timeout, played, player, written

CAGED = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="the kernel's filter is Linux's"
)


def children() -> set[int]:
    """Processes whose parent is this one."""
    found = subprocess.run(
        ["ps", "-o", "pid=,comm=", "--ppid", str(os.getpid())],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [line.split(maxsplit=1) for line in found.stdout.splitlines()]
    return {int(pid) for pid, name in lines if name != "ps"}


@pytest.fixture(autouse=True)
def _nothing_stays_behind(tmp_path: Path) -> object:
    """Of any of these tests: no process, no changed file."""
    before = children()
    yield
    assert children() <= before
    assert {path.name for path in tmp_path.iterdir()} <= {"exercise.py", "judge.py"}


# ------------------------------------------------------------------------------------ it never ends


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        [x for x in range(1000)]\n    except BaseException: pass",
    ],
)
def test_endless_loops_end(tmp_path: Path, code: str) -> None:
    """Also those that catch whatever is raised in them."""
    error, _ = played(on_timeout(tmp_path, code))
    assert error is not None
    assert error.kind == "too slow"
    assert error.where.startswith("exercise.py:")
    assert 5 <= int(error.where.partition(":")[2]) <= 8
    assert error.message == "election_timed_out: no end after 0.5 s of computing in one step"


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("sum(range(10**13))", 5),
        ("import time\ntime.sleep(1000)", 6),
        ("import threading\nlock = threading.Lock()\nlock.acquire()\nlock.acquire()", 8),
        ("import signal\nsignal.signal(signal.SIGPROF, signal.SIG_IGN)\nwhile True: pass", 7),
    ],
    ids=["in C", "sleeps", "deadlocks", "ignores the signal"],
)
def test_what_does_not_come_back_is_ended_by_the_clock(
    tmp_path: Path, code: str, line: int
) -> None:
    """Where no Python is run, a dump tells the line."""
    error, _ = played(on_timeout(tmp_path, code), wall_s=1.0)
    assert error is not None
    assert (error.kind, error.where) == ("too slow", f"exercise.py:{line}")
    assert error.message == "election_timed_out: no end of one step after 1 s"


def test_a_file_that_never_loads(tmp_path: Path) -> None:
    """The same holds before there is a core."""
    error, _ = played(written(tmp_path, "while True:\n    pass\n"))
    assert error is not None
    assert error.kind == "too slow"
    assert error.where in ("exercise.py:2", "exercise.py:3")


# --------------------------------------------------------------------------------- it does not load


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("1 / 0", 2, "ZeroDivisionError: division by zero"),
        ("def f(:\n    pass", 2, "SyntaxError: invalid syntax"),
        ("import nonsense", 2, "ModuleNotFoundError: No module named 'nonsense'"),
        ("raise SystemExit('PASS')", 2, "SystemExit: PASS"),
        ("x = 1", 0, "there is no class MyRaft(Raft) in it"),
        ("MyRaft = 7", 0, "there is no class MyRaft(Raft) in it"),
        ("class MyRaft: pass", 0, "there is no class MyRaft(Raft) in it"),
    ],
)
def test_files_that_do_not_load(tmp_path: Path, text: str, line: int, said: str) -> None:
    """The error is Python's, the line the file's."""
    error, _ = played(written(tmp_path, text))
    assert error is not None
    assert error.where == (f"exercise.py:{line}" if line else "")
    assert error.kind == ("exited" if "SystemExit" in text else "cannot load")
    assert error.message == said


# ---------------------------------------------------------------------------------------- it raises


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("self.nothing.at_all", "raised", "AttributeError: 'MyRaft' object has no attribute"),
        ("raise KeyboardInterrupt", "raised", "KeyboardInterrupt"),
        ("raise SystemExit", "exited", "SystemExit"),
        ("import sys; sys.exit(0)", "exited", "SystemExit: 0"),
        ("raise GeneratorExit('a\\nb')", "raised", "GeneratorExit: a b"),
        ("self.election_timed_out()", "raised", "RecursionError"),
        (
            "x = []\nwhile True: x.append(bytes(1 << 20))",
            "raised",
            "more than a gigabyte of memory",
        ),
        ("bytearray(1 << 31)", "raised", "more than a gigabyte of memory is needed"),
    ],
)
def test_what_a_handler_raises(tmp_path: Path, code: str, kind: str, said: str) -> None:
    """Named with the line, whatever it is, and on one line."""
    error, _ = played(on_timeout(tmp_path, code))
    assert error is not None
    assert (error.kind, error.where) == (kind, f"exercise.py:{5 + code.count(chr(10))}")
    assert error.message.startswith(("election_timed_out: " + said, said))


def test_an_exception_whose_text_raises(tmp_path: Path) -> None:
    """What it says is code, too."""
    code = "class Odd(Exception):\n    def __str__(self): raise SystemExit\nraise Odd"
    error, _ = played(on_timeout(tmp_path, code))
    assert error is not None
    assert (error.message, error.where) == ("election_timed_out: Odd", "exercise.py:7")


def test_raising_in_del_harms_nobody(tmp_path: Path) -> None:
    """Python prints it and goes on, and so does the run."""
    code = "class Odd:\n    def __del__(self): raise ValueError('in del')\nOdd()"
    error, printed = played(on_timeout(tmp_path, code))
    assert error is None
    assert "in del" in printed


# ------------------------------------------------------------------------------ it returns nonsense


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("self.set_timer('x', float('nan'))", "delay_ms is nan, expected a whole number from 0 on"),
        ("self.set_timer('x', -1)", "delay_ms is -1, expected a whole number from 0 on"),
        ("self.set_timer('x', 1 << 70)", f"delay_ms is {1 << 70}, expected a whole number"),
        ("self.set_timer(None, 1)", "the name of a timer is None, expected a word"),
        ("self.save('vote', {})", "the content of a slot is one of type dict, expected a message"),
        ("self.save('vote', None)", "the content of a slot is None, expected a message"),
        ("self.save_all({'vote': 1})", "the content of a slot is 1, expected a message"),
        ("self.save_all({1: None})", "the name of a slot is 1, expected a word"),
        ("self.save_all(None)", "what is saved at once is None, expected slots and their contents"),
        ("self.crash_point(None)", "the name of a crash point is None, expected a word"),
        ("self.append('entries', 1, [1])", "an entry is 1, expected a message"),
        ("self.call('n9', None, timeout_ms=1)", "a call to 'n9', expected one of "),
        ("self.call([], None, timeout_ms=1)", "a call to one of type list, expected one of "),
        ("self.respond(None, None)", "a response to None, expected the Caller"),
        ("self.note('x', y=[])", "y of a note is one of type list, expected a number or a word"),
        ("for _ in range(20000): self.cancel_timer('x')", "more than 10,000 effects in one step"),
    ],
)
def test_effects_that_make_no_sense(tmp_path: Path, code: str, said: str) -> None:
    """Are refused in the line that asks for them."""
    error, _ = played(on_timeout(tmp_path, code))
    assert error is not None
    assert (error.kind, error.where) == ("wrong result", "exercise.py:5")
    assert error.message.startswith(f"election_timed_out: {said}")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return 'yes'", "a response is 'yes', expected a message of the lab's proto"),
        ("return float('nan')", "a response is nan, expected a message of the lab's proto"),
        ("yield 1", "a response is one of type generator, expected a message of the lab's proto"),
    ],
)
def test_responses_that_are_none(tmp_path: Path, body: str, said: str) -> None:
    """The handler is named by the line that begins it: none of it was running any more."""
    error, _ = played(
        written(
            tmp_path,
            f"""
            class MyRaft(Raft):
                def answer_pre_vote(self, request, caller):
                    {body}
            """,
        )
    )
    assert error is not None
    assert (error.kind, error.where) == ("wrong result", "exercise.py:4")
    assert error.message.startswith(f"answer_pre_vote: {said}")


def test_a_view_that_is_none(tmp_path: Path) -> None:
    """No check would know what to do with it."""
    error, _ = played(
        written(tmp_path, "class MyRaft(Raft):\n    def view(self):\n        return 7\n")
    )
    assert error is not None
    assert (error.kind, error.where) == ("wrong result", "exercise.py:3")
    assert error.message == "view: it returned 7, expected one of type RaftView"


def test_effects_without_the_methods(tmp_path: Path) -> None:
    """They would pass by what looks at them."""
    error, _ = played(on_timeout(tmp_path, "self._effects.append('surprise')"))
    assert error is not None
    assert error.kind == "wrong result"


# --------------------------------------------------------------------------------- it prints, reads


def test_output_is_capped(tmp_path: Path) -> None:
    """A gigabyte takes no memory of the judge's, and ends by the time that it takes, or not."""
    error, printed = played(on_timeout(tmp_path, "for _ in range(10**5): print('x' * 10**4)"))
    assert error is None or error.kind == "too slow"
    assert 10**4 < len(printed) <= OUTPUT_BYTES_MAX


def test_binary_output_is_capped(tmp_path: Path) -> None:
    """Bytes written past Python's streams are held up, and the run is ended."""
    code = "import os\nwhile True: os.write(1, bytes(range(256)) * 256)"
    error, printed = played(on_timeout(tmp_path, code), wall_s=1.0)
    assert error is not None
    assert error.kind == "too slow"
    assert len(printed) <= OUTPUT_BYTES_MAX


def test_each_run_has_its_own_output(tmp_path: Path) -> None:
    """What is printed in one is not shown with the next."""
    with player(on_timeout(tmp_path, "print('PASS', self.env.rng.random())")) as one:
        assert ended(one, 1) is None
        first = one.output
        assert ended(one, 2) is None
        assert first.startswith("PASS")
        assert one.output.startswith("PASS")
        assert first not in one.output


def test_there_is_nothing_to_read(tmp_path: Path) -> None:
    """Standard input is empty: nobody waits for a key."""
    error, _ = played(on_timeout(tmp_path, "input('your password? ')"))
    assert error is not None
    assert error.message.startswith("election_timed_out: EOFError")


def test_the_environment_is_bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token of the shell's goes in."""
    monkeypatch.setenv("GITHUB_TOKEN", "secret-of-mine")
    _, printed = played(on_timeout(tmp_path, "import os\nprint(dict(os.environ))"))
    assert "PYTHONPATH" in printed
    assert "secret-of-mine" not in printed


# ------------------------------------------------------------------------------ it ends its process


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import os\nos._exit(0)", "it ended its process, with status 0"),
        ("import ctypes\nctypes.string_at(8)", "it crashed its process by SIGSEGV"),
        ("import os\nos.closerange(0, 64)", "its process"),
    ],
    ids=["exits", "crashes", "closes everything"],
)
def test_a_process_that_goes_away(tmp_path: Path, code: str, said: str) -> None:
    """Is no pass, and the next run has a new one."""
    with player(on_timeout(tmp_path, code), wall_s=2.0) as one:
        for _ in range(2):
            error = ended(one)
            assert error is not None
            assert error.kind == "exited"
            assert said in error.message


def test_a_closed_stdout_harms_nobody(tmp_path: Path) -> None:
    """Nothing is told by it."""
    code = "import contextlib, os\nwith contextlib.suppress(OSError): os.close(1)"
    error, printed = played(on_timeout(tmp_path, code))
    assert (error, printed) == (None, "")


# ------------------------------------------------------------------- it reaches for what is outside

REFUSED = """
try:
    {code}
except OSError as error:
    print(error.errno)
except RuntimeError as error:
    print(error)
else:
    print('DONE')
"""


@CAGED
@pytest.mark.parametrize(
    "code",
    [
        "os.fork()",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "os.execv('/bin/true', ['true'])",
        "subprocess.run(['/bin/true'])",
        "threading.Thread(target=print, daemon=True).start()",
        "os.kill(os.getppid(), 9)",
        "os.killpg(0, 9)",
        "os.kill(1, 0)",
        "signal.pidfd_send_signal(0, 9)",
        "socket.socket()",
        "socket.socket(socket.AF_UNIX)",
        "socket.socketpair()",
        "open('left.txt', 'w')",
        "open(FILE, 'a')",
        "open(FILE, 'r+')",
        "os.open(FILE, os.O_RDONLY | os.O_CREAT)",
        "os.unlink(FILE)",
        "os.rename(FILE, FILE + '.old')",
        "os.truncate(FILE, 0)",
        "os.chmod(FILE, 0)",
        "os.symlink('/', FOLDER + '/link')",
        "os.mkdir(FOLDER + '/new')",
        "os.rmdir(FOLDER)",
        "os.utime(FILE)",
        "os.chdir('/')",
        "os.setsid()",
        "os.memfd_create('x')",
        "os.pipe()",
        "os.nice(-5)",
        "os.sched_setaffinity(0, [0])",
        "resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        "fcntl.fcntl(0, fcntl.F_SETOWN, os.getppid())",
    ],
)
def test_the_world_outside_is_out_of_reach(tmp_path: Path, code: str) -> None:
    """The kernel refuses, and the run goes on."""
    head = (
        "import fcntl, os, resource, signal, socket, subprocess, threading\n"
        f"FILE, FOLDER = {str(tmp_path / 'exercise.py')!r}, {str(tmp_path)!r}"
    )
    file = on_timeout(tmp_path, REFUSED.format(code=code), head=head)
    before = file.read_bytes()
    error, printed = played(file)
    assert error is None
    assert printed.split("\n")[0] in ("1", "can't start new thread"), printed
    assert file.read_bytes() == before


@CAGED
def test_the_filter_cannot_be_lifted(tmp_path: Path) -> None:
    """Nor can another be put in front of it, nor limits be raised."""
    code = """
    import ctypes, resource
    libc = ctypes.CDLL(None, use_errno=True)
    print(libc.prctl(22, 0, 0, 0, 0), libc.syscall(317, 0, 0, 0), libc.syscall(56, 17, 0, 0, 0, 0))
    print(resource.getrlimit(resource.RLIMIT_FSIZE), resource.getrlimit(resource.RLIMIT_NOFILE))
    """
    error, printed = played(on_timeout(tmp_path, code))
    assert error is None
    assert printed.splitlines()[:2] == ["-1 -1 -1", "(0, 0) (64, 64)"]


# ------------------------------------------------------------------------------- it fools the judge


def test_patches_stay_in_its_own_process(tmp_path: Path) -> None:
    """Time, chance and checks of the judge are not those that it reaches."""
    head = (
        "import random, time\n"
        "import nodes.sim.cluster, labs.kit.check\n"
        "time.time = time.monotonic = lambda: 0\n"
        "random.Random.random = lambda self: 0.5\n"
        "nodes.sim.cluster.simulate = lambda *a, **k: None\n"
    )
    error, _ = played(on_timeout(tmp_path, "print('PASS')", head=head))
    assert error is None
    assert time.monotonic() > 0


def test_nodes_share_nothing(tmp_path: Path) -> None:
    """Each core has a file of its own: globals and class variables are neither other nodes' nor
    left from an earlier run."""
    head = "SEEN = []\nclass Shared: seen = []"
    code = "SEEN.append(self.env.node_id); Shared.seen.append(1)\nprint(len(set(SEEN)), len(SEEN))"
    with player(on_timeout(tmp_path, code, head=head)) as one:
        for _ in range(2):
            assert ended(one) is None
            lines = one.output.splitlines()
            assert lines[0] == "1 1"
            assert {line.split()[0] for line in lines} == {"1"}


def test_forged_replies_are_no_more_than_replies(tmp_path: Path) -> None:
    """Writing into the channel says no more than a core may, and nonsense is found out."""
    code = """
    import os
    for fd in range(3, 64):
        try:
            os.write(fd, b'PASS' * 100)
        except OSError:
            pass
    """
    error, _ = played(on_timeout(tmp_path, code), wall_s=1.0)
    assert error is not None
    assert error.kind in ("exited", "misbehaved", "too slow")


def test_one_that_works_the_second_time(tmp_path: Path) -> None:
    """Each run is a first time."""
    code = "Count.runs += 1\nif Count.runs == 1: raise ValueError('not yet')"
    with player(on_timeout(tmp_path, code, head="class Count: runs = 0")) as one:
        for _ in range(3):
            error = ended(one)
            assert error is not None
            assert "not yet" in error.message


def test_the_next_run_is_as_any_other(tmp_path: Path) -> None:
    """After each kind of trouble, one player goes on."""
    code = """
    import os
    if self.env.rng.random() < 0.5:
        raise ValueError('bad luck')
    """
    with player(on_timeout(tmp_path, code)) as one:
        outcomes = [ended(one, seed) is None for seed in range(1, 9)]
        assert outcomes == [ended(one, seed) is None for seed in range(1, 9)]
    assert set(outcomes) == {True, False}


# ------------------------------------------------------------------------------ the judge is killed


@pytest.mark.parametrize("code", ["while True: pass", "import time\ntime.sleep(1000)"])
def test_a_killed_judge_leaves_nobody(tmp_path: Path, code: str) -> None:
    """Not even one that is busy."""
    file = on_timeout(tmp_path, f"print('here', flush=True)\n{code}")
    script = tmp_path / "judge.py"
    script.write_text(
        dedent(
            f"""
            from pathlib import Path
            from tests.kit.grading.players import ended, player, spec
            with player(Path({str(file)!r}), cpu_s=60, wall_s=60) as one:
                one.cores(spec())
                print(one._process.pid, flush=True)
                ended(one)
            """
        )
    )
    judge = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert judge.stdout is not None
    pid = int(judge.stdout.readline())
    os.kill(pid, 0)  # It is there.
    judge.send_signal(signal.SIGKILL)
    judge.wait()
    judge.stdout.close()
    deadline_s = time.monotonic() + 10
    while Path(f"/proc/{pid}/stat").exists() and time.monotonic() < deadline_s:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        if state == "Z":  # Dead, and waiting for whoever adopted it.
            return
        time.sleep(0.02)
    assert not Path(f"/proc/{pid}").exists()
