"""The images of the compose runtime: built or pulled when they are missing, with progress."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from nodes.cluster.api import RuntimeFailure
from nodes.cluster.engine import Engine
from nodes.cluster.surroundings import PROJECT_ROOT

REPOSITORY: Final = "faultlab-node"
TOXIPROXY: Final = "ghcr.io/shopify/toxiproxy"
TOXIPROXY_TAG: Final = "2.12.0"  # as docker-compose.yml has it
BUILT_KEPT: Final = 3  # images of earlier code; going back to a branch is then quick
_INPUTS: Final = ("Dockerfile", ".dockerignore", "pyproject.toml")
_STEP_CHARACTERS_MAX: Final = 60
_CODE: Final = ("nodes", "protos")


def node_image(root: Path = PROJECT_ROOT) -> str:
    """The name of the image of the code as it is now. Raises RuntimeFailure outside a checkout."""
    digest = hashlib.sha256()
    for path in _inputs(root):
        content = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()} {len(content)}\n".encode())
        digest.update(content)
    return f"{REPOSITORY}:{digest.hexdigest()[:12]}"


def _inputs(root: Path) -> list[Path]:
    missing = [name for name in _INPUTS if not (root / name).is_file()]
    if missing:
        raise RuntimeFailure(
            f"there is no {missing[0]} in {root}: the compose runtime needs the project's own"
            f" folder; `--runtime local` does not"
        )
    code = [
        path
        for folder in _CODE
        for path in (root / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]
    return [root / name for name in _INPUTS] + sorted(code)


async def images_ready(engine: Engine, tell: Callable[[str], None]) -> str:
    """`ensure_images` without blocking the loop. When cancelled it returns at once, and the engine
    goes on by itself: a build or a pull takes as long as it takes."""
    loop = asyncio.get_running_loop()
    name: asyncio.Future[str] = loop.create_future()

    def on_loop(function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has been closed
            loop.call_soon_threadsafe(function, *arguments)

    def settle(found: str | None, error: BaseException | None) -> None:
        if name.done():
            return
        if error is not None:
            name.set_exception(error)
        elif found is not None:
            name.set_result(found)

    def work() -> None:
        try:
            found = ensure_images(engine, lambda text: on_loop(tell, text))
        except BaseException as error:
            on_loop(settle, None, error)
        else:
            on_loop(settle, found, None)

    # A thread of the loop's executor would keep the whole process waiting for it.
    threading.Thread(target=work, name="images", daemon=True).start()
    return await name


def ensure_images(engine: Engine, tell: Callable[[str], None]) -> str:
    """Returns the name of the nodes' image once it and Toxiproxy's are there. Blocks.

    Raises RuntimeFailure when one cannot be had.
    """
    proxy = f"{TOXIPROXY}:{TOXIPROXY_TAG}"
    if not engine.has_image(proxy):
        tell(f"pulling {proxy} (once)")
        try:
            engine.pull(TOXIPROXY, TOXIPROXY_TAG)
        except RuntimeFailure as failure:
            raise RuntimeFailure(
                f"{failure}; where no registry is reached `make images` compiles it,"
                f" `--runtime local` needs none"
            ) from None
    name = node_image()
    if not engine.has_image(name):
        _build(engine, name, tell)
    return name


def _build(engine: Engine, name: str, tell: Callable[[str], None]) -> None:
    tell(f"building {name}, the image of the nodes (again only when their code changes)")
    try:
        for line in engine.build(str(PROJECT_ROOT), name, {"faultlab.image": "node"}):
            if line.startswith("Step "):
                tell(line[:_STEP_CHARACTERS_MAX])
    except RuntimeFailure as failure:
        raise RuntimeFailure(
            f"{failure}; where no registry is reached `make images` makes what it starts from"
        ) from None
    for old in engine.image_tags(REPOSITORY)[BUILT_KEPT:]:
        if old not in (name, f"{REPOSITORY}:latest"):
            try:
                engine.remove_image(old)
            except RuntimeFailure:
                continue  # another lab runs with it
