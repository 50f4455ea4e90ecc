"""`make drill DRILL=kill-replica`: load, break, watch, mend; then what was promised beside what came of it."""

import signal
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.console import Console
from deploy.engines.base import Engine
from deploy.errors import Answer, Refused, impossible
from loadtests.__main__ import interrupt
from loadtests.drills.scene import TOLD, Scene
from loadtests.drills.table import DRILLS, SERVICES, Drill
from loadtests.errors import Stop
from loadtests.oracle import Judgement, Load
from loadtests.oracle.records import REQUESTS, Request, read

CALM_SECONDS = 2.0  # before the break, and after the mend
SHOWN = 10  # losses


def conduct(name: str, engine: Engine, say: Console, services: Sequence[str], rate: float) -> None:
    """Answer when the promise is broken. `rate`: requests/s."""
    drill = DRILLS[name]
    if engine.name not in drill.engines:
        raise impossible(f"{name} needs ENGINE={' or '.join(drill.engines)}, and the stack runs on {engine.name}")
    for number in TOLD:  # a terminal that is closed too, and also where a shell has its background jobs ignore Ctrl-C
        signal.signal(number, interrupt)
    scene = Scene(engine, say, services or SERVICES)
    with TemporaryDirectory() as folder:
        try:
            load = play(drill, scene, Path(folder), rate)
            verdict = load.verdict(engine.edge_log(load.started))
        except Stop as stop:
            raise Refused(str(stop), stop.code) from None
        tell(name, scene, verdict, read(load.folder / REQUESTS, Request))


def play(drill: Drill, scene: Scene, folder: Path, rate: float) -> Load:
    say = scene.say
    with scene.mended():
        drill.prepare(scene)
        load = Load(scene.engine.url(), scene.tls_url, scene.services, rate, drill.sockets, folder=folder)
        say(f"load:  {rate:g} requests/s, GET and POST, on {', '.join(scene.services)}; {drill.sockets} WebSockets")
        with load, scene.mended():
            scene.load = load
            scene.wait(CALM_SECONDS)
            say(f"break: {drill.breaks}")
            drill.run(scene)
            say("mend:  as it was before, and everything ready")
            scene.mend()
            scene.wait(CALM_SECONDS)
    return load


def tell(name: str, scene: Scene, verdict: Judgement, requests: Sequence[Request]) -> None:
    drill, say = DRILLS[name], scene.say
    for line in verdict.losses[:SHOWN]:
        say(f"  {line}")
    if len(verdict.losses) > SHOWN:
        say(f"  and {len(verdict.losses) - SHOWN} more")
    say.answer(verdict.sentence())
    say.answer(f"promised: {drill.promise}")
    say.answer(f"seen: {drill.seen}")
    if early := sum(each.lost and each.ended < scene.moments.first for each in requests):
        raise impossible(
            f"{early} requests were lost before anything was broken; this machine does not carry "
            f"{verdict.asked:g} a second: choose a lower RATE"
        )
    broken = [*dict.fromkeys(scene.broken), *drill.bounds.broken(verdict, requests, scene.moments)]
    if broken:
        raise Answer(f"{name} broke its promise: {'; '.join(broken)}")
    say.answer("kept")
