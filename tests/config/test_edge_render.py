"""What is rendered natively: nginx accepts it, anybody may run it, a wrong value is refused."""

import os
import re
import shutil
import tempfile
from pathlib import Path

import pytest

from deploy import edge
from deploy.errors import Failure, Refused
from deploy.ports import free_port
from deploy.variables import SERVICES
from tests import wire
from tests.config.edge import answers, copy_of_source, process, running, settings
from tests.config.edge_cases import DIFFERENT, rendered
from tests.waiting import until


@pytest.mark.parametrize("case", DIFFERENT)
def test_nginx_accepts_what_is_rendered(nginx: Path, tmp_path: Path, case: str) -> None:
    out = tmp_path / "nginx"
    edge.render(settings(tmp_path, nginx, **DIFFERENT[case]), out)

    edge.test(nginx, out)

    assert not [name for name, text in rendered(out).items() if b"${PONTE_" in text]


def test_ipv6_address_is_a_host_like_any_other(nginx: Path, tmp_path: Path) -> None:
    try:
        port = free_port("::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with running(tmp_path, nginx, listen=(f"[::1]:{port}",), server_names=("[::1]",)) as edge_:
        known, unknown = (edge_.ask("/", host=host).raw for host in (f"[::1]:{port}", "localhost"))

    assert (wire.statuses(known), unknown) == ([200], b"")


@pytest.mark.parametrize("name", ["localhost:8080", "a b", "a;b", "$host", "", "::1"])
def test_native_engine_refuses_a_name_that_is_none(nginx: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(Refused, match="SERVER_NAMES holds"):
        edge.variables(settings(tmp_path, nginx, server_names=(name,)))


def test_configuration_that_nginx_refuses_changes_nothing(nginx: Path, tmp_path: Path) -> None:
    out, source = tmp_path / "nginx", copy_of_source(tmp_path)
    edge.install(settings(tmp_path, nginx), out, nginx)
    before = rendered(out)
    (source / "snippets" / "gzip.conf").write_text("gzip perhaps;\n")

    with pytest.raises(Failure, match=r"nginx refuses its configuration: .*gzip.conf"):
        edge.install(settings(tmp_path, nginx), out, nginx, source)

    assert {name: text for name, text in rendered(out).items() if not name.startswith(".new")} == before


def test_file_that_left_the_source_leaves_the_rendered_tree(nginx: Path, tmp_path: Path) -> None:
    out = tmp_path / "nginx"
    edge.install(settings(tmp_path, nginx), out, nginx)
    (out / "conf.d" / "old.conf").write_text("server {}\n")

    edge.install(settings(tmp_path, nginx), out, nginx)

    assert not (out / "conf.d" / "old.conf").exists()


def test_what_nginx_keeps_beside_the_rendered_tree_stays(nginx: Path, tmp_path: Path) -> None:
    out = tmp_path / "nginx"
    edge.install(settings(tmp_path, nginx), out, nginx)
    for folder in ("tmp", "answers"):
        (out / folder / "kept").touch()
    (out / "process.conf").write_text("old")
    (out / "local").mkdir(exist_ok=True)
    (out / "local" / "old.conf").touch()

    edge.install(settings(tmp_path, nginx), out, nginx)

    assert (out / "tmp" / "kept").exists() and (out / "answers" / "kept").exists()
    assert (out / "process.conf").read_text() != "old"
    assert not (out / "local" / "old.conf").exists()


def test_paths_may_hold_spaces_and_nginx_writes_nowhere_else(nginx: Path, tmp_path: Path) -> None:
    folder = tmp_path / "my projects; {ponte}"
    folder.mkdir()
    with running(folder, nginx) as edge_:
        assert edge_.ask("/").status == 200

    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="every other test ran as an ordinary user already")
def test_ordinary_user_can_run_it(nginx: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        chosen = settings(folder, nginx, site=Path(shutil.copytree(edge.SOURCE / "site", folder / "site")))
        edge.render(chosen, folder / "nginx")
        process_conf = folder / "nginx" / "process.conf"
        process_conf.write_text(re.sub("^user .*", "", process_conf.read_text(), flags=re.MULTILINE))
        binary = Path(shutil.copy2(nginx, folder / "binary"))  # where nobody may enter
        for path in (folder, *folder.rglob("*")):
            os.chown(path, 65534, 65534)
        command = edge.command(binary, folder / "nginx", "-g", "daemon off;")
        with process(command, folder / "stderr.log", user=65534, group=65534, extra_groups=[]):
            until(lambda: answers(wire.address(chosen.listen[0])))
        complaints = (folder / "stderr.log").read_text() + (folder / "error.log").read_text()

    assert complaints == ""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root hands its workers to another user")
def test_workers_of_root_step_down_where_nobody_can_read_the_site(nginx: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        open_, closed = (
            {"site": folder / part, "static": folder, "temp": folder, "cache": folder} for part in ("site", "home/site")
        )
        (folder / "home" / "site").mkdir(parents=True)
        (folder / "site").mkdir()
        for path, mode in ((folder, 0o755), (folder / "site", 0o755), (folder / "home", 0o700)):
            path.chmod(mode)
        users = [edge.variables(settings(tmp_path, nginx, **each))["PONTE_USER"] for each in (open_, closed)]

    assert [user.split()[1] for user in users] == ["nobody", "root"]


def test_path_nginx_cannot_hold_is_refused_in_one_sentence(nginx: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="move the checkout"):
        edge.variables(settings(tmp_path, nginx, site=Path("/srv/$site")))


def test_every_service_has_a_path_and_an_upstream() -> None:
    upstreams = (edge.SOURCE / "templates" / "conf.d" / "upstreams.conf.template").read_text()
    services = {path.stem for path in (edge.SOURCE / "services").glob("*.conf")}

    assert services == set(re.findall(r"^upstream (\S+) {", upstreams, re.MULTILINE)) == set(SERVICES)


@pytest.mark.parametrize(
    ("snippet", "variable", "paths"),
    [("cache", "long_poll", {"poll"}), ("log", "logged", {"healthz", "readyz"})],
)
def test_every_service_stands_in_the_maps_of_paths(snippet: str, variable: str, paths: set[str]) -> None:
    text = (edge.SOURCE / "templates" / "snippets" / f"{snippet}.conf.template").read_text()
    block = re.search(rf"^map \$uri \${variable} {{$(.*?)^}}$", text, re.MULTILINE | re.DOTALL)

    assert block
    assert sorted(re.findall(r"^ +(/\S+)", block[1], re.MULTILINE)) == sorted(
        f"/{service}/{path}" for service in SERVICES for path in paths
    )


@pytest.mark.parametrize("pair", [("flask", "django"), ("django-asgi", "fastapi")])
def test_siblings_differ_in_their_name_only(pair: tuple[str, str]) -> None:
    one, other = ((edge.SOURCE / "services" / f"{name}.conf").read_text().splitlines()[1:] for name in pair)

    assert [line.replace(pair[0], "X").split() for line in one] == [
        line.replace(pair[1], "X").split() for line in other
    ]
