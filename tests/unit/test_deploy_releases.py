"""The copy of nginx/ that a native edge serves its site from."""

import threading
from pathlib import Path

import pytest

from deploy.native import releases
from deploy.native.layout import Layout
from deploy.settings import Settings, build


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    for name in ("site/index.html", "site/old/page.html", "nginx.conf"):
        write(tmp_path, name, "first")
    return build({}, {}, tmp_path, tmp_path / ".run")


def write(root: Path, name: str, text: str) -> None:
    path = root / "nginx" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_what_was_edited_is_taken_in_and_what_is_gone_goes(settings: Settings) -> None:
    layout = Layout(settings.root, settings.run)
    releases.refresh_nginx(settings, layout)
    write(settings.root, "site/index.html", "second")
    write(settings.root, "site/new/page.html", "second")
    (settings.root / "nginx" / "site" / "old" / "page.html").unlink()
    (settings.root / "nginx" / "site" / "old").rmdir()
    releases.refresh_nginx(settings, layout)

    found = {
        str(path.relative_to(layout.edge)): path.read_text() for path in layout.edge.rglob("*.*") if path.is_file()
    }
    assert found == {"site/index.html": "second", "site/new/page.html": "second", "nginx.conf": "first"}
    assert [path.name for path in settings.run.iterdir()] == ["edge"]


def test_a_page_is_there_all_the_while(settings: Settings) -> None:
    layout = Layout(settings.root, settings.run)
    releases.refresh_nginx(settings, layout)
    done, missed = threading.Event(), []
    watcher = threading.Thread(target=watch, args=(layout.edge / "site" / "index.html", done, missed))
    watcher.start()
    for _ in range(30):
        releases.refresh_nginx(settings, layout)
    done.set()
    watcher.join()

    assert missed == []


def watch(page: Path, done: threading.Event, missed: list[str]) -> None:
    while not done.is_set():
        if not page.exists():
            missed.append("gone")
