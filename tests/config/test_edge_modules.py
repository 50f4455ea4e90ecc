"""Modules that can be loaded are used where they are, by the native engine and the container alike."""

from pathlib import Path

import pytest

from deploy import edge
from tests.config.edge import settings
from tests.config.edge_cases import rendered
from tests.config.test_edge_container import entrypoint, needs_envsubst

FORMS = ("brotli", "zstd")


def modular(folder: Path, *modules: str) -> Path:
    """An nginx that can load modules; it accepts any configuration."""
    (folder / "modules").mkdir()
    for name in modules:
        (folder / "modules" / f"{name}.so").touch()
    script = folder / "nginx-with-modules"
    said = f"nginx version: nginx/1.30.6\nconfigure arguments: --modules-path={folder}/modules --with-compat"
    script.write_text(f"#!/bin/sh\n[ $1 != -V ] || echo '{said}' >&2\n")
    script.chmod(0o755)
    return script


@pytest.mark.parametrize("form", FORMS)
def test_a_module_that_is_there_is_loaded_and_used(tmp_path: Path, form: str) -> None:
    nginx = modular(tmp_path, f"ngx_http_{form}_static_module")
    edge.render(settings(tmp_path, nginx), tmp_path / "out")
    files = {name: text.decode() for name, text in rendered(tmp_path / "out").items()}

    loads = f'load_module "{tmp_path}/modules/ngx_http_{form}_static_module.so";'
    assert loads in files[f"features/main/{form}_static.conf"]
    assert f"{form}_static on;" in files[f"features/{form}_static.conf"]
    assert [name for name in files if "_static" in name and form not in name] == []


def test_modules_are_loaded_before_anything_else(tmp_path: Path) -> None:
    lines = (edge.SOURCE / "nginx.conf").read_text().splitlines()
    directives = [line for line in lines if line and not line.startswith("#")]

    assert directives[0].startswith("include features/main/*.conf;")


def test_an_nginx_without_modules_lacks_nothing_for_it(tmp_path: Path) -> None:
    found = edge.inspect(modular(tmp_path))

    assert not {f"{form}_static" for form in FORMS} & set(found.lacks())


@needs_envsubst
def test_container_and_native_engine_load_the_same(tmp_path: Path) -> None:
    nginx = modular(tmp_path, *(f"ngx_http_{form}_static_module" for form in FORMS))
    chosen = settings(tmp_path, nginx)
    edge.install(chosen, tmp_path / "native", nginx)
    given = {name: value for name, value in edge.variables(chosen).items() if name != "PONTE_MODULES"}

    ran = entrypoint(nginx, tmp_path / "container", **given)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert rendered(tmp_path / "container") == rendered(tmp_path / "native")
