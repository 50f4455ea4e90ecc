"""Images by digest: what `./ponte images` writes, and STAGE=production reads."""

import json
from pathlib import Path

import pytest

from deploy.compose import pins
from deploy.compose.docker import files
from deploy.compose.pins import BUILT, Pins
from deploy.compose.publish import images
from deploy.console import Console
from deploy.errors import Refused
from deploy.release import Release
from deploy.settings import Settings, load

NAMED = {name: f"registry.example.org/shop/ponte-{name}@sha256:{'0' * 64}" for name in BUILT}
RELEASE = Release("0123456789ab", "one")


def settings(root: Path, **given: str) -> Settings:
    return load(given, {}, root)


def test_what_is_written_is_read_in_production_alone(tmp_path: Path):
    pins.write(settings(tmp_path), Pins(RELEASE, NAMED))

    assert pins.read(settings(tmp_path, STAGE="production")) == Pins(RELEASE, NAMED)
    assert pins.read(settings(tmp_path)) is None


def test_nothing_written_is_built_here(tmp_path: Path):
    assert pins.read(settings(tmp_path, STAGE="production")) is None


def test_what_is_pinned_is_what_a_deploy_offers(tmp_path: Path):
    pins.write(settings(tmp_path), Pins(RELEASE, NAMED))

    assert pins.offered(settings(tmp_path, STAGE="production"), Release("", "dev")) == RELEASE


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", ".run/images.json is damaged; ./ponte images REGISTRY= writes it again"),
        ('{"services": []}', ".run/images.json is damaged; ./ponte images REGISTRY= writes it again"),
        (
            json.dumps({"x-release": {"tree": "", "release": ""}, "services": {"nginx": {"image": "a"}}}),
            ".run/images.json names no image of flask; ./ponte images REGISTRY= writes it again",
        ),
    ],
)
def test_a_file_that_is_not_whole_is_refused(tmp_path: Path, text: str, sentence: str):
    (tmp_path / ".run").mkdir()
    (tmp_path / ".run" / "images.json").write_text(text)

    with pytest.raises(Refused) as refusal:
        pins.read(settings(tmp_path, STAGE="production"))
    assert (str(refusal.value), refusal.value.code) == (sentence, 3)


def test_images_needs_a_registry(tmp_path: Path):
    with pytest.raises(Refused, match=r"^images needs REGISTRY: where to put them"):
        images(settings(tmp_path), Console(), {})


@pytest.mark.parametrize("value", ["https://registry.example.org", "Registry.example.org", "registry.example.org/a b"])
def test_a_registry_is_a_host_and_a_folder(tmp_path: Path, value: str):
    with pytest.raises(Refused, match="is no registry; write HOST, HOST:PORT or HOST/FOLDER"):
        settings(tmp_path, REGISTRY=value)


def test_production_stands_on_top_of_compose(tmp_path: Path):
    assert files(settings(tmp_path, STAGE="production"))[-1] == "deploy/compose/production.yaml"
    assert files(settings(tmp_path)) == []
