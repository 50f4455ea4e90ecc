"""Stops a stack in the order that loses nothing: edge, apps, database, keeper."""

from deploy import state
from deploy.native.keeping import Keeping
from deploy.native.layout import Layout
from deploy.native.postgres import STOP_SECONDS as DATABASE_SECONDS
from deploy.native.replicas import STOP_SECONDS as APP_SECONDS
from deploy.native.routing import STOP_SECONDS as EDGE_SECONDS

SLACK = 5  # seconds for the keeper to kill what did not stop in time


def stop_all(keeper: Keeping, layout: Layout) -> None:
    """Leaves no process, no program file and no state; the data stay."""
    names = keeper.programs().keys()
    apps = [name for name in names if name not in ("nginx", "postgres")]
    keeper.stop(["nginx"], EDGE_SECONDS + SLACK)
    keeper.stop(apps, APP_SECONDS + SLACK)
    keeper.stop(["postgres"], DATABASE_SECONDS + SLACK)
    keeper.shutdown(APP_SECONDS + SLACK)
    for path in layout.programs.glob("*.ini"):
        path.unlink()
    state.forget(layout.run)
