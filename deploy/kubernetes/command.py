"""The words of a release: an overlay, a name for it, and whether to look only."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import click

from deploy import environment
from deploy.cli import INTERRUPTED, fail, interrupt
from deploy.console import Console
from deploy.errors import Failure, Refused
from deploy.settings import ROOT, load
from deploy.variables import release as release_name

OVERLAYS = ROOT / "deploy" / "kubernetes" / "overlays"


@click.command(help="Release an overlay to the cluster that kubectl knows, or keep what runs.")
@click.argument("overlay")
@click.option("--release", default="", help="the tag of our images, in place of the overlay's own")
@click.option("--dry-run", is_flag=True, help="check the overlay, print the commands, ask no cluster")
def release(overlay: str, release: str, dry_run: bool) -> None:
    environment.need(ROOT, "deploy/kubernetes")
    from deploy.kubernetes.cluster import Cluster
    from deploy.kubernetes.release import prepared, released

    ready = prepared(folder(overlay), named(release))
    run = load({}, os.environ).run / "kubernetes" / ready.namespace
    released(ready, Cluster(ready.namespace, dry_run, Console()), run)


def folder(overlay: str) -> Path:
    """One of ours by its name, or a folder anywhere."""
    for found in (OVERLAYS / overlay, Path(overlay)):
        if (found / "kustomization.yaml").is_file():
            return found
    ours = ", ".join(sorted(each.name for each in OVERLAYS.iterdir()))
    raise Refused(f"overlay {overlay!r} has no kustomization.yaml; choose from {ours}, or name a folder that has one")


def named(release: str) -> str:
    try:
        return release_name(release) if release else ""
    except ValueError as error:
        raise Refused(f"--release {release!r} {error}") from None


def main(words: Sequence[str]) -> int:
    signal.signal(signal.SIGTERM, interrupt)
    try:
        release.main(list(words), "deploy/kubernetes/release", standalone_mode=False)
    except click.UsageError as error:
        return fail(f"{error.format_message()} deploy/kubernetes/release --help lists the words", 2)
    except Failure as error:
        return fail(str(error), error.code)
    except (KeyboardInterrupt, click.Abort):
        return fail("interrupted", INTERRUPTED)
    return 0
