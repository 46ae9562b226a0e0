"""Which runtime a lab gets, and what is said when the one that was asked for cannot be had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from labs.kit.doctor import examine
from labs.kit.engine import ask_engine
from labs.kit.errors import LabError
from labs.kit.runtime import choose_runtime
from labs.kit.session import SessionFolder

INFO = '*info*) echo "27.0.1 [name=seccomp,profile=builtin]" ;;'
CONTEXT = '*context*) echo "unix:///var/run/docker.sock" ;;'
PLUGIN = '*"compose version"*) echo "Docker Compose version v2.30.0" ;;'


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but a shell."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to("/bin/sh")
    monkeypatch.setenv("PATH", os.fspath(folder))
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    return folder


def docker(commands: Path, *cases: str) -> None:
    """A docker command that knows these, and fails otherwise."""
    script = commands / "docker"
    answers = "\n".join(cases)
    script.write_text(f'#!/bin/sh\ncase "$*" in\n{answers}\n*) echo no >&2; exit 1 ;;\nesac\n')
    script.chmod(0o755)


def test_auto_is_compose_when_an_engine_answers(commands: Path) -> None:
    """And says why."""
    docker(commands, INFO, CONTEXT, PLUGIN)
    assert choose_runtime("auto").sentence() == "runtime compose: a Docker engine answers"
    assert choose_runtime("compose").sentence() == "runtime compose: as asked"
    assert choose_runtime("local").sentence() == "runtime local: as asked"


def test_compose_1_will_do(commands: Path) -> None:
    """`docker-compose` where `docker compose` is missing."""
    docker(commands, INFO, CONTEXT)
    (commands / "docker-compose").symlink_to("/bin/sh")
    assert choose_runtime("auto").name == "compose"


@pytest.mark.parametrize(
    ("cases", "why"),
    [
        (None, "the docker command is not installed"),
        (["*) echo 'Cannot connect to the Docker daemon' >&2; exit 1 ;;"], "Cannot connect"),
        (["*info*) echo '[]'; echo 'Cannot connect' >&2; exit 1 ;;"], "Cannot connect"),
        ([INFO, CONTEXT], "there is no Compose"),
        ([INFO, "*context*) echo 'tcp://10.0.0.5:2375' ;;", PLUGIN], "is not on this machine"),
        (["*info*) echo '27.0.1 [name=seccomp name=rootless]' ;;"], "is rootless"),
    ],
)
def test_auto_is_local_otherwise(commands: Path, cases: list[str] | None, why: str) -> None:
    """With the reason; compose is refused with the reason and the way out, in one line."""
    if cases is not None:
        docker(commands, *cases)
    choice = choose_runtime("auto")
    assert choice.name == "local"
    assert why in choice.why
    with pytest.raises(LabError, match="the compose runtime cannot be used: ") as refused:
        choose_runtime("compose")
    assert why in refused.value.message
    assert "--runtime local" in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.status == 2


@pytest.mark.parametrize("host", ["tcp://10.0.0.5:2375", "ssh://me@there"])
def test_docker_host_elsewhere(commands: Path, monkeypatch: pytest.MonkeyPatch, host: str) -> None:
    """An engine on another machine cannot share folders and loopback ports."""
    docker(commands, INFO, CONTEXT, PLUGIN)
    monkeypatch.setenv("DOCKER_HOST", host)
    assert "is not on this machine" in choose_runtime("auto").why


def test_a_slow_engine_is_not_waited_for(commands: Path) -> None:
    """The doctor and `lab up` say so within the time that they give it."""
    (commands / "sleep").symlink_to("/bin/sleep")
    docker(commands, "*info*) exec sleep 60 ;;")
    assert "did not answer within 0.2 s" in ask_engine(0.2).why_not


def test_doctor_names_an_engine_that_cannot_be_used(commands: Path, tmp_path: Path) -> None:
    """A warning, since labs run without it."""
    docker(commands, INFO, "*context*) echo 'tcp://10.0.0.5:2375' ;;", PLUGIN)
    findings = {one.subject: one for one in examine(SessionFolder(tmp_path / "home"), clean=False)}
    assert findings["docker engine"].level == "warn"
    assert "27.0.1, but cannot be used: " in findings["docker engine"].text
    assert findings["docker compose"].text == "docker compose"
    assert "containers" not in findings
