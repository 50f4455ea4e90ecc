"""The report in a real browser, opened from a file as a colleague would."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("matplotlib", reason="loadtests/requirements.txt is not installed")

from loadtests.report import comparison
from loadtests.report.runs import Runs
from tests import runs as fake

AT = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
PHONE, DESK, A4 = 390, 1280, 720  # pixels; A4 less its margins


@dataclass
class Visit:
    """What the browser did and said while it showed one page."""

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def to(cls, chromium: Any, path: Path, width: int = DESK, scheme: str = "light", **options: Any) -> "Visit":
        options |= {"viewport": {"width": width, "height": 844}, "color_scheme": scheme}
        visit = cls(chromium.new_page(**options))
        visit.page.on("console", lambda message: visit.said.append(message.text))
        visit.page.on("pageerror", lambda error: visit.said.append(str(error)))
        visit.page.on("request", lambda request: visit.asked.append(request.url))
        visit.page.goto(path.as_uri())
        return visit

    def visible(self, selector: str) -> list[bool]:
        return [found.is_visible() for found in self.page.locator(selector).all()]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    runs = Runs(tmp_path_factory.mktemp("reports"))
    good, bad = runs.start("load", AT), runs.start("load", AT)
    runs.save(good, fake.run())
    runs.save(
        bad, fake.invalid() | {"title": "<script>alert(1)</script>" + "W" * 200, "command": "./ponte load " + "x" * 300}
    )
    both = comparison.save(runs, fake.comparison(), AT)
    folders = {"run": good, "hostile": bad, "comparison": both, "index": runs.folder}
    return {name: folder / "index.html" for name, folder in folders.items()}


@pytest.mark.parametrize("name", ["run", "hostile", "comparison", "index"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_page_asks_for_itself_only_and_fits_the_screen(chromium: Any, pages: dict[str, Path], name: str, width: int):
    visit = Visit.to(chromium, pages[name], width)

    assert visit.said == []
    assert [url for url in visit.asked if not url.startswith("data:")] == [pages[name].as_uri()]
    assert visit.page.evaluate("document.documentElement.scrollWidth") == width


def test_the_page_is_whole_without_scripts(chromium: Any, pages: dict[str, Path]):
    visit = Visit.to(chromium, pages["run"], java_script_enabled=False)

    assert visit.page.locator("header .conclusion").inner_text().startswith("fastapi carries 1,204")
    assert visit.page.locator("figure svg[role=img]:visible").count() == len(fake.run()["plots"])


@pytest.mark.parametrize(
    ("width", "shown", "hidden"), [(DESK, ".for-page", ".for-phone"), (PHONE, ".for-phone", ".for-page")]
)
def test_plots_are_drawn_for_the_width_at_hand(
    chromium: Any, pages: dict[str, Path], width: int, shown: str, hidden: str
):
    visit = Visit.to(chromium, pages["run"], width)

    assert all(visit.visible(shown)) and not any(visit.visible(hidden))


def test_text_in_plots_stays_readable_on_a_phone(chromium: Any, pages: dict[str, Path]):
    visit = Visit.to(chromium, pages["run"], PHONE)

    heights = visit.page.eval_on_selector_all(
        ".for-phone text", "all => all.map(one => one.getBoundingClientRect().height)"
    )
    assert min(heights) > 10  # pixels


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_card(chromium: Any, pages: dict[str, Path], scheme: str):
    visit = Visit.to(chromium, pages["hostile"], scheme=scheme)
    card = visit.page.eval_on_selector(".card", "one => getComputedStyle(one).backgroundColor")

    for selector in ("body", ".for-page text", ".badge", ".soft", "header .conclusion"):
        colour = visit.page.eval_on_selector(
            selector, "one => getComputedStyle(one)[one.tagName == 'text' ? 'fill' : 'color']"
        )
        assert contrast(colour, card) >= 4.5, selector  # WCAG AA


def test_the_verdict_comes_before_the_first_table(chromium: Any, pages: dict[str, Path]):
    visit = Visit.to(chromium, pages["hostile"], PHONE)

    verdict, table = (visit.page.locator(one).first.bounding_box()["y"] for one in (".verdict", "table"))
    assert "invalid" in visit.page.locator(".verdict").inner_text()
    assert verdict < table


def test_on_paper_nothing_is_cut_off_and_the_ground_is_white(chromium: Any, pages: dict[str, Path]):
    visit = Visit.to(chromium, pages["run"], A4, scheme="dark")
    visit.page.emulate_media(media="print", color_scheme="dark")

    assert visit.page.evaluate("document.documentElement.scrollWidth") == A4
    assert visit.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert visit.page.evaluate("getComputedStyle(document.body).color") == "rgb(27, 36, 48)"


def contrast(one: str, other: str) -> float:
    """WCAG's ratio of two `rgb(r, g, b)`."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    channels = [int(part) / 255 for part in colour[colour.index("(") + 1 : -1].split(",")[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in channels]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
