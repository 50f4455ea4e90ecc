"""The units: rendered from units/, one template for the four applications, and what a replica's name is in systemd.

python3 -m deploy.systemd.units PREFIX FOLDER [loopback]     writes them into FOLDER, and the drop-ins of that name
"""

import sys
from pathlib import Path

from deploy.variables import SERVICES

UNITS = "units"  # and loopback: folders beside this file
CHECKOUT = Path(__file__).resolve().parent.parent.parent
APP = "ponte-SERVICE@"  # what stands for the four applications in the names of files and folders
ONE = {"nginx": "ponte-nginx.service", "rotation": "ponte-rotation.service"}
TARGET = "ponte.target"


def unit(name: str) -> str:
    """flask-11001 -> ponte-flask@11001.service"""
    service, _, port = name.rpartition("-")
    return ONE.get(name) or f"ponte-{service}@{port}.service"


def pattern(name: str) -> str:
    """Also of those that run once: migrate, of whatever release."""
    return unit(name) if name in ONE or name.rpartition("-")[0] in SERVICES else f"ponte-{name}@*.service"


def rendered(prefix: Path, folder: str = UNITS, checkout: Path = CHECKOUT) -> dict[Path, str]:
    """File below /etc/systemd/system -> its text."""
    found, source = {}, Path(__file__).with_name(folder)
    for path in sorted(each for each in source.rglob("*") if each.is_file()):
        name, text = str(path.relative_to(source)), path.read_text()
        for service in SERVICES if APP in name else ("",):
            values = {"@PREFIX@": str(prefix), "@CHECKOUT@": str(checkout), "@SERVICE@": service}
            found[Path(name.replace("SERVICE", service))] = substituted(text, values)
    return found


def substituted(text: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        text = text.replace(name, value)
    return text


def write(prefix: Path, target: Path, *more: str) -> None:
    for folder in (UNITS, *more):
        for name, text in rendered(prefix, folder).items():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_text(text)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:])
