"""`make audit`: what is known against the packages of all lock files, as pip-audit's advisory service tells it.

(!) A marker says on which machine a line counts: images and machines differ, so every line is asked about.
"""

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from deploy.console import Console
from deploy.errors import Answer, impossible
from deploy.run import run
from deploy.settings import Settings
from deploy.supply.locks import Pin, locks, pins

OPTIONS = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--aliases", "on")
BUNDLES = ("PIP_CERT", "SSL_CERT_FILE")  # certificates that pip believes; requests has a variable of its own
ANOTHER = "name another by PIP_AUDIT_VULNERABILITY_SERVICE (pypi, osv, esms)"
UNREACHED = ("Connection", "Could not connect", "Timeout", "SSLError", "ProxyError", "HTTPError", "ServiceError")
NAMED = 3  # packages in a sentence


@dataclass(frozen=True)
class Found:
    """One advisory against one package."""

    package: str
    version: str
    advisory: str
    fixed: str


def audit(settings: Settings, say: Console, words: dict[str, Any]) -> None:
    sets = {name: {*pins(lock)} for name, lock in locks(settings.root).items()}
    found: list[Found] = []
    unknown: list[str] = []
    for each in rounds({pin for held in sets.values() for pin in held}):
        told = asked(each, environment(settings, os.environ))
        found += advisories(told)
        unknown += skipped(told)
    tell(say, sorted(found, key=lambda one: (one.package, one.advisory)), sets)
    if found:
        raise Answer(f"{count(found)} known against {len({one.package for one in found})} of the packages")
    if unknown:
        raise impossible(doubt(unknown, len(every(sets))))
    say(f"nothing is known against {len(every(sets))} packages of {len(sets)} lock files")


def every(sets: Mapping[str, set[Pin]]) -> set[tuple[str, str]]:
    return {(pin.name, pin.version) for held in sets.values() for pin in held}


def rounds(wanted: Iterable[Pin]) -> Iterator[list[Pin]]:
    """pip-audit takes one version of a package at a time; some locks have two, for different machines."""
    left = {(pin.name, pin.version): pin for pin in sorted(wanted)}
    while left:
        now = {name: (name, version) for name, version in left}
        yield [left.pop(key) for key in now.values()]


def asked(wanted: Sequence[Pin], environ: Mapping[str, str]) -> dict[str, Any]:
    with TemporaryDirectory() as folder:
        path = Path(folder, "requirements.txt")
        path.write_text("\n".join(map(str, wanted)) + "\n")
        done = run([sys.executable, "-m", "pip_audit", *OPTIONS, "-r", path], env=environ, capture_output=True)
    try:
        return json.loads(done.stdout)
    except ValueError:
        raise impossible(why(done.stderr)) from None


def why(output: str) -> str:
    if any(sign in output for sign in UNREACHED):
        return f"the advisory service cannot be reached; check the network and CA_BUNDLE, or {ANOTHER}"
    return f"pip-audit ended early: {output.strip().rpartition(chr(10))[2] or 'it said nothing'}"


def environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    bundle = settings.ca_bundle or next((environ[name] for name in BUNDLES if environ.get(name)), "")
    return {**({"REQUESTS_CA_BUNDLE": bundle} if bundle else {}), **environ}


def advisories(told: Mapping[str, Any]) -> Iterator[Found]:
    for package in told["dependencies"]:
        for each in package.get("vulns", ()):
            names = ", ".join((each["id"], *(alias for alias in each["aliases"] if alias.startswith("CVE-"))))
            yield Found(package["name"], package["version"], names, ", ".join(each["fix_versions"]) or "-")


def skipped(told: Mapping[str, Any]) -> list[str]:
    """(!) pip-audit counts as harmless what its service has never heard of; a mirror of packages has heard of nothing."""
    return [package["name"] for package in told["dependencies"] if "skip_reason" in package]


def tell(say: Console, found: Sequence[Found], sets: Mapping[str, set[Pin]]) -> None:
    if found:
        rows = [(one.package, one.version, one.advisory, one.fixed, ", ".join(holders(one, sets))) for one in found]
        say.table(("package", "version", "advisory", "fixed in", "lock files of"), rows)


def holders(one: Found, sets: Mapping[str, set[Pin]]) -> list[str]:
    return [
        name
        for name, held in sets.items()
        if any((pin.name, pin.version) == (one.package, one.version) for pin in held)
    ]


def count(found: Sequence[Found]) -> str:
    return "one advisory is" if len(found) == 1 else f"{len(found)} advisories are"


def doubt(unknown: Sequence[str], every: int) -> str:
    some = ", ".join(unknown[:NAMED]) + (", ..." if len(unknown) > NAMED else "")
    return f"the advisory service has no answer for {len(unknown)} of {every} packages ({some}), so nothing is known about them; {ANOTHER}"
