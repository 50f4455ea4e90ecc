"""`make sbom`: a CycloneDX document for each lock file, the same for the same lock file.

One for each and not one for all: an image holds one or two of the sets, a machine others, and nothing holds them all.
"""

import json
import sys
from pathlib import Path
from typing import Any

from deploy.console import Console
from deploy.errors import impossible
from deploy.run import run
from deploy.settings import Settings
from deploy.state import replace
from deploy.supply.locks import locks, pins

FOLDER = "sbom"  # below .run
# The tool would validate its document in ten times the time of making it; a test validates ours.
OPTIONS = ("--output-reproducible", "--no-validate")


def sbom(settings: Settings, say: Console, words: dict[str, Any]) -> None:
    rows = []
    for name, lock in locks(settings.root).items():
        path = settings.run / FOLDER / f"{name.replace('/', '-')}.cdx.json"
        replace(path, as_json(document(name, lock.relative_to(settings.root), settings.root)))
        rows.append((name, str(len({*pins(lock)})), settings.shown(path)))
    say.table(("set", "packages", "CycloneDX"), rows)


def document(name: str, lock: Path, root: Path) -> dict[str, Any]:
    """(!) A lock file has no name of its own, and a document that does not say what it is about helps nobody."""
    argv = [sys.executable, "-m", "cyclonedx_py", "requirements", *OPTIONS, lock]
    asked = run(argv, cwd=root, capture_output=True)
    if asked.returncode:
        raise impossible(f"{lock} gives no document: {asked.stderr.strip().rpartition(chr(10))[2]}")
    made = json.loads(asked.stdout)
    made["metadata"]["component"] = {"type": "application", "bom-ref": "the set", "name": f"ponte/{name}"}
    return made


def as_json(made: dict[str, Any]) -> str:
    return json.dumps(made, indent=1, sort_keys=True) + "\n"
