"""Linters over every rendering, and over renderings that were broken on purpose: see promise.md."""

from pathlib import Path

import pytest

from deploy import edge
from deploy.variables import SERVICES
from tests.config.edge import settings
from tests.config.edge_cases import DIFFERENT
from tests.config.parsed import parse
from tests.promises.linted import linters
from tests.promises.linted.mutations import MUTATIONS
from tests.promises.linted.rules import RULES, broken

HTTP3 = {"listen_tls": ("127.0.0.1:8443",), "http3": True}
COMPLETE = DIFFERENT["production"] | DIFFERENT["names"]  # what the native nginx has, all of it on
EVERYTHING = COMPLETE | {"http3": True, "http2": frozenset(SERVICES)}
RENDERINGS = DIFFERENT | {"http3": HTTP3, "everything": EVERYTHING}
BROAD = ("everything", "open to all")  # what gixy says of any rendering it says of one of these


@pytest.fixture(params=["native", pytest.param("container", marks=pytest.mark.full)])
def program(request: pytest.FixtureRequest, nginx: Path, tmp_path: Path) -> Path:
    if request.param == "native":
        return nginx
    if reason := linters.no_container():
        pytest.skip(reason)
    return linters.in_a_container(tmp_path)


def render(binary: Path, folder: Path, **fields: object) -> Path:
    out = folder / "nginx"
    edge.render(settings(folder, binary, **fields), out)
    return out


@pytest.mark.parametrize("case", RENDERINGS)
def test_nginx_accepts_every_rendering(program: Path, tmp_path: Path, case: str) -> None:
    fields = dict(RENDERINGS[case])
    if fields.get("http3") and "--with-http_v3_module" not in edge.inspect(program).flags:
        pytest.skip("this nginx was built without HTTP/3")

    assert linters.refused(program, render(program, tmp_path, **fields)) == {}


@pytest.mark.parametrize(
    "case", [pytest.param(each, marks=[] if each in BROAD else pytest.mark.full) for each in RENDERINGS]
)
def test_gixy_finds_nothing(nginx: Path, tmp_path: Path, case: str) -> None:
    assert linters.findings(render(nginx, tmp_path, nginx=linters.NEWEST, **RENDERINGS[case])) == {}


@pytest.mark.parametrize("case", RENDERINGS)
def test_no_rule_is_broken(nginx: Path, tmp_path: Path, case: str) -> None:
    assert broken(parse(render(nginx, tmp_path, nginx=linters.NEWEST, **RENDERINGS[case]))) == {}


def test_rendering_that_the_mutations_start_from_has_nothing_wrong(nginx: Path, tmp_path: Path) -> None:
    assert linters.complaints(nginx, render(nginx, tmp_path, **COMPLETE)) == {}


@pytest.mark.full
@pytest.mark.parametrize(("file", "good", "bad", "who"), MUTATIONS)
def test_what_is_broken_is_said(nginx: Path, tmp_path: Path, file: str, good: str, bad: str, who: str) -> None:
    out = render(nginx, tmp_path, **COMPLETE)
    text = (out / file).read_text()
    assert good in text, f"{file} does not hold {good!r} (any more): the mutation would change nothing"
    (out / file).write_text(text.replace(good, bad))

    assert who in linters.complaints(nginx, out, who)


def test_every_rule_is_broken_by_a_mutation() -> None:
    assert set(RULES) <= {who for *_, who in MUTATIONS}


@pytest.mark.parametrize("entry", linters.SILENCED, ids=lambda entry: entry[0])
def test_what_gixy_is_silenced_for_is_still_there(nginx: Path, tmp_path: Path, entry: tuple[str, str]) -> None:
    check, where = entry
    outs = [render(nginx, tmp_path / case, nginx=linters.NEWEST, **RENDERINGS[case]) for case in BROAD]

    assert where in str([linters.gixy(out).get(check) for out in outs])


@pytest.mark.parametrize("version", ["1.30.5", "1.31.6"])
def test_known_hole_is_said(nginx: Path, tmp_path: Path, version: str) -> None:
    out = render(nginx, tmp_path, nginx=linters.NEWEST, **EVERYTHING)

    assert "nginx_cves" in linters.findings(out, "--nginx-version", version)


def test_nginx_of_the_image_has_no_known_hole(tmp_path: Path) -> None:
    if reason := linters.no_container():
        pytest.skip(reason)
    image = linters.in_a_container(tmp_path)
    version = ".".join(map(str, edge.inspect(image).version))

    assert linters.findings(render(image, tmp_path, **EVERYTHING), "--nginx-version", version) == {}
