import errno
import json
import os
import re
import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

np = pytest.importorskip("numpy", reason="loadtests/requirements.txt is not installed")
pytest.importorskip("matplotlib", reason="loadtests/requirements.txt is not installed")

from loadtests.report import comparison, disk, index, plots, render, say  # noqa: E402
from loadtests.report.runs import NotARun, Runs, Unwritable  # noqa: E402
from tests import runs as fake  # noqa: E402

AT = datetime(2026, 11, 21, 14, 30, tzinfo=UTC)
ROOT = Path(__file__).parents[2]
HOSTILE = "</title><script>alert('$x_1$')</script><img src=//evil.example/x>&\" style='x' ]]> -->"
FETCHING = {"src", "srcset", "poster", "action", "formaction", "data", "background", "xlink:href"}


class Page(HTMLParser):
    """Tags, ids and what a browser would fetch or follow."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in FETCHING or (name == "href" and tag == "link"):
                self.fetched.append(value or "")
            elif name == "href":
                self.links.append(value or "")

    def handle_data(self, data: str) -> None:
        if self.cdata_elem != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return Runs(tmp_path / "reports")


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages without plots, where the store is what is tested."""
    monkeypatch.setattr(render, "drawings", lambda plot, name: {"wide": "", "narrow": ""})


def stored(runs: Runs, run: dict[str, Any] | None = None, at: datetime = AT) -> Path:
    path = runs.start("load", at)
    runs.save(path, run or fake.run())
    return path


# The store


def test_a_run_lies_in_a_folder_named_after_when_and_what(runs: Runs):
    paths = [runs.start("load", AT), runs.start("slow-io", AT.astimezone(timezone(timedelta(hours=5))))]

    assert [path.name for path in paths] == ["20261121-143000-load", "20261121-143000-slow-io"]


def test_runs_that_start_in_one_second_get_folders_of_their_own(runs: Runs):
    assert [runs.start("load", AT).name[-6:] for _ in range(3)] == ["0-load", "load-2", "load-3"]


@pytest.mark.usefixtures("undrawn")
def test_a_run_is_found_by_id_folder_or_file(runs: Runs):
    path = stored(runs)

    for name in (path.name, path, str(path), path / "run.json", f"{path.name}/index.html"):
        assert runs.load(name)["conclusion"] == fake.run()["conclusion"]
        assert runs.where(name) == path


@pytest.mark.usefixtures("undrawn")
def test_the_latest_is_the_newest_of_its_experiment_that_can_be_read(runs: Runs):
    path = stored(runs)
    stored(runs, fake.run(experiment="scaling"), AT + timedelta(hours=1))
    (runs.start("load", AT + timedelta(hours=2)) / "run.json").write_text("{")

    assert runs.latest("load") == path
    assert runs.latest("websockets") is None


@pytest.mark.usefixtures("undrawn")
def test_the_tenth_run_of_a_second_is_newer_than_the_ninth(runs: Runs):
    last = [stored(runs) for _ in range(11)][-1]

    assert runs.latest("load") == last


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, "20261121-143000-load has no run.json: it still runs, or it was killed"),
        ("{", "20261121-143000-load/run.json is damaged: it is not JSON"),
        ("\udcff", "20261121-143000-load/run.json is damaged: it is not JSON"),
        ("[" * 100_000, "20261121-143000-load/run.json is damaged: it is not JSON"),
        ("[]", "20261121-143000-load/run.json is no report of this project: it names no format"),
        ('{"format": 2}', "20261121-143000-load/run.json has format 2; this checkout reads format 1"),
        ('{"format": 1}', "20261121-143000-load/run.json is incomplete: it lacks experiment, started or conclusion"),
    ],
)
def test_what_is_no_run_is_said_in_a_sentence(runs: Runs, content: str | None, sentence: str):
    path = runs.start("load", AT)
    if content is not None:
        (path / "run.json").write_bytes(content.encode(errors="surrogateescape"))

    with pytest.raises(NotARun) as error:
        runs.load(path.name)
    assert str(error.value) == sentence


@pytest.mark.parametrize("name", ["", ".", "x" * 5000, "a\0b", "../x"])
def test_an_impossible_name_is_no_run(runs: Runs, name: str):
    with pytest.raises(NotARun, match="there is no run"):
        runs.load(name)


@pytest.mark.usefixtures("undrawn")
def test_an_unknown_run_is_quoted_and_the_choices_named(runs: Runs):
    with pytest.raises(NotARun, match=r"no run 'x' in .*; make one with \./ponte load"):
        runs.load("x")
    stored(runs)
    with pytest.raises(NotARun, match=r"no run 'x' in .*; choose from 20261121-143000-load"):
        runs.load("x")


@pytest.mark.usefixtures("undrawn")
def test_numbers_without_a_value_never_reach_the_file(runs: Runs):
    points = [{"y": float("nan"), "x": np.float32("inf"), "n": np.int64(3), "all": np.array([1.5, np.nan])}]
    path = stored(runs, fake.run(points=points))

    text = (path / "run.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail)["points"] == [
        {"y": None, "x": None, "n": 3, "all": [1.5, None]}
    ]


@pytest.mark.usefixtures("undrawn")
def test_a_save_that_fails_leaves_the_old_run_and_nothing_else(runs: Runs):
    path = stored(runs)
    before = {file.name: file.read_bytes() for file in path.iterdir()}

    with pytest.raises(TypeError):
        runs.save(path, fake.run(config={"a": object()}))
    assert {file.name: file.read_bytes() for file in path.iterdir()} == before


@pytest.mark.usefixtures("undrawn")
def test_a_disk_that_fills_up_leaves_the_old_run_whole(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    path = stored(runs)

    def half(path: Path, text: str) -> None:
        path.write_text(text[: len(text) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk, "_write", half)
    with pytest.raises(Unwritable, match=r"No space left on device"):
        runs.save(path, fake.run(conclusion="new"))
    assert runs.load(path)["conclusion"] == fake.run()["conclusion"]
    assert sorted(file.name for file in path.iterdir()) == ["index.html", "run.json"]


def test_a_page_that_cannot_be_drawn_does_not_cost_the_run(runs: Runs, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(render, "page", lambda *_, **__: 1 / 0)
    path = runs.start("load", AT)

    with pytest.raises(ZeroDivisionError):
        runs.save(path, fake.run())
    assert runs.load(path)["points"] == fake.run()["points"]


def test_a_folder_that_cannot_be_written_is_said_in_a_sentence(tmp_path: Path):
    (tmp_path / "reports").write_text("a file")

    with pytest.raises(Unwritable, match=r"reports cannot be written \(.+\); free space or change its owner"):
        Runs(tmp_path / "reports").start("load", AT)


@pytest.mark.usefixtures("undrawn")
def test_a_folder_that_vanished_is_said_in_a_sentence(runs: Runs):
    path = runs.start("load", AT)
    path.rmdir()

    with pytest.raises(Unwritable, match="cannot be written"):
        runs.save(path, fake.run())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_of_another_owner_is_said_in_a_sentence(runs: Runs):
    runs.folder.mkdir()
    runs.folder.chmod(0o555)

    with pytest.raises(Unwritable, match="Permission denied"):
        runs.start("load", AT)


# The page


@pytest.fixture(scope="module")
def text() -> str:
    return render.page(fake.run(), ["run.json", "samples.npz", "latency-flask.hgrm"])


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_a_page_needs_nothing_but_itself(text: str, page: Page):
    assert page.tags["script"] == page.tags["iframe"] == 0
    assert all(target.startswith(("data:", "#")) for target in page.fetched)
    assert not re.search(r"@import|url\((?!#)", text)
    assert not any(re.match(r"[a-z]+:|//", link) for link in page.links)


def test_a_page_says_the_conclusion_first_then_whether_to_believe_it(page: Page):
    order = ["21 November 2026, 14:30 UTC", "fastapi carries", "valid", "Capacity at the SLO", "Latency against offered rate",
             "Notes", "Method and environment", "./ponte load SLO=250ms", "Can these numbers be believed?"]  # fmt: skip

    places = [page.text.index(words) for words in order]
    assert places == sorted(places)


def test_a_page_links_to_what_it_was_made_from(page: Page):
    assert page.links[:1] == ["../index.html"]
    assert page.links[-3:] == ["run.json", "samples.npz", "latency-flask.hgrm"]


@pytest.mark.parametrize(
    "words",
    ["AMD EPYC 7B13", "7.75 GiB", "abc1234 (clean)", "2.47.0", "The generator ran on CPU 1", "poisson", "http://127.0.0.1:8080",
     "Not measured: TLS", "suspect above 10 %, invalid above 25 %", "Seven stages of 8 s"],
)  # fmt: skip
def test_a_page_says_how_it_was_measured(page: Page, words: str):
    assert words in page.text


def test_ids_are_unique_and_every_reference_finds_one(text: str, page: Page):
    wanted = set(re.findall(r"(?:href=\"#|url\(#)([^\")]+)", text))

    assert [name for name, times in Counter(page.ids).items() if times > 1] == []
    assert wanted == set(page.ids)


def test_the_same_run_gives_the_same_bytes(text: str):
    assert render.page(fake.run(), ["run.json", "samples.npz", "latency-flask.hgrm"]) == text


def test_colours_in_plots_follow_the_page(text: str):
    assert "#fe00" not in text
    assert {"currentColor", "var(--series-1)", "var(--line)"} <= set(
        re.findall(r"currentColor|var\(--[a-z0-9-]+\)", text)
    )


def test_hostile_text_stays_text():
    run = fake.run(title=HOSTILE, conclusion=HOSTILE, command=HOSTILE, notes=[HOSTILE], config={HOSTILE: [HOSTILE]})
    run["verdict"] = {"word": HOSTILE, "reasons": [HOSTILE]}
    run["tables"] = [{"title": HOSTILE, "columns": [HOSTILE], "rows": [[HOSTILE]], "note": HOSTILE}]
    run["plots"] = [hostile_plot()]
    page = Page(render.page(run))

    assert page.tags["script"] == page.tags["img"] == 0
    assert page.text.count("alert('$x_1$')") >= 14


def hostile_plot() -> dict[str, Any]:
    series = {"label": HOSTILE, "x": [1, 2], "y": [1, 2], "style": HOSTILE}
    axis = {"label": HOSTILE, "scale": HOSTILE}
    return {
        "title": HOSTILE,
        "note": HOSTILE,
        "x": axis,
        "y": axis,
        "series": [series],
        "marks": [{"axis": "x", "at": 1, "label": HOSTILE}],
    }


@pytest.mark.parametrize("word", ["valid", "suspect", "invalid"])
def test_the_verdict_is_a_word_and_its_reasons(word: str):
    page = Page(
        render.page(
            fake.run(verdict={"word": word, "reasons": ["Requests left late."]}, tables=[], plots=[], validity=[])
        )
    )

    assert re.search(rf"[✓!✕] {word} .* Requests left late\.", page.text)
    assert ("Do not quote these numbers" in page.text) == (word == "invalid")


def test_quick_and_interrupted_runs_say_so():
    page = Page(render.page(fake.invalid()))

    assert "Quick run." in page.text and "Interrupted." in page.text


def test_a_run_that_ended_before_it_measured_still_has_a_page():
    bare = {
        "format": 1,
        "experiment": "load",
        "started": "yesterday",
        "conclusion": "Nothing was measured.",
        "plots": None,
    }

    assert "Nothing was measured." in Page(render.page(bare)).text


def test_the_report_wears_the_colours_of_the_site():
    site, report = (
        (ROOT / name).read_text() for name in ("nginx/site/site.css", "loadtests/report/templates/report.css")
    )
    shared = r"--(paper|card|ink|soft|line|accent|glow|bad): (#[0-9a-f]+)"

    assert re.findall(shared, site) == re.findall(shared, report)


def test_matplotlib_is_loaded_for_drawing_only():
    code = "import sys, loadtests.report.runs as r; r.Runs('x').latest('load'); print({'matplotlib', 'jinja2', 'numpy'} & sys.modules.keys())"
    asked = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert asked.stdout == "set()\n"


# Plots


@pytest.mark.parametrize("scale", ["linear", "log"])
@pytest.mark.parametrize("style", ["line", "points", "step", "dashed"])
@pytest.mark.parametrize(
    "series",
    [
        {"x": [], "y": []},
        {"x": [1], "y": [1], "low": [0.5], "high": [2]},
        {"x": [0, 1, 2], "y": [0, None, 3], "low": [None, None, 2], "high": [None, None, 4]},
        {"x": [1, 2, 3], "y": [-1, 5, 5], "low": [-2, 6, 5], "high": [0, 4]},
        {"x": [5, 5], "y": [None, None]},
    ],
)
def test_a_plot_is_drawn_from_whatever_was_measured(scale: str, style: str, series: dict[str, Any]):
    axis = {"label": "", "scale": scale}
    marks = [{"axis": "y", "at": at, "label": str(at)} for at in (0, -1, None, 5)]
    plot = {"title": "t", "x": axis, "y": axis, "series": [{"label": "s", "style": style, **series}], "marks": marks}

    assert plots.draw(plot, "p", 300, 200).startswith("<svg viewBox")


def test_a_plot_without_points_says_so():
    assert "nothing was measured" in plots.draw({"title": "t", "series": []}, "p", 300, 200)


def test_marks_are_named_and_tick_labels_are_plain_numbers():
    drawn = plots.draw(fake.hockey_stick(), "p", 560, 340)

    said = re.findall(r"<text[^>]*>([^<]*)</text>", drawn)
    assert {"SLO 250 ms", "capacity of fastapi", "1,000", "10"} <= set(said)


@pytest.mark.parametrize("label", ["$x_1$", "$\\bad{", "50 % of $5", "SLO für 日本"])
def test_a_label_is_drawn_letter_by_letter(label: str):
    drawn = plots.draw(fake.hockey_stick() | {"marks": [{"axis": "y", "at": 250, "label": label}]}, "p", 560, 340)

    assert f">{label}</text>" in drawn


def test_a_mark_that_a_logarithmic_axis_cannot_show_is_left_out():
    drawn = plots.draw(fake.hockey_stick() | {"marks": [{"axis": "y", "at": 0, "label": "zero"}]}, "p", 560, 340)

    assert "zero" not in drawn


def test_a_mark_above_the_data_is_still_on_the_plot():
    plot = fake.hockey_stick() | {"marks": [{"axis": "y", "at": 10_000_000, "label": "far"}]}

    assert ">10,000,000<" in plots.draw(plot, "p", 560, 340)


def test_few_workers_are_their_own_ticks():
    said = re.findall(r"<text[^>]*>([^<]*)</text>", plots.draw(fake.cost(), "p", 560, 340))

    assert said[:4] == ["1", "2", "4", "8"]


# The index


@pytest.mark.usefixtures("undrawn")
def test_the_index_lists_the_newest_run_first(runs: Runs):
    for hours, words in enumerate(("first", "second", "third")):
        stored(runs, fake.run(conclusion=words), AT + timedelta(hours=hours))

    page = Page((runs.folder / "index.html").read_text())
    assert re.findall("first|second|third", page.text) == ["third", "second", "first"]
    assert page.links[0] == "20261121-163000-load/index.html"


@pytest.mark.usefixtures("undrawn")
def test_the_index_says_when_the_run_started_what_it_found_and_whether_to_believe_it(runs: Runs):
    stored(runs, fake.invalid())

    page = Page((runs.folder / "index.html").read_text())
    for words in ("21 November 2026, 14:30 UTC", "load", "fastapi carries", "invalid", "quick", "interrupted"):
        assert words in page.text


@pytest.mark.usefixtures("undrawn")
def test_damaged_and_foreign_neighbours_are_named_and_harm_nothing(runs: Runs):
    for name, content in (("20261101-000000-load", "{"), ("mine", None), ("<b>", '{"format": 99}')):
        (runs.folder / name).mkdir(parents=True)
        if content:
            (runs.folder / name / "run.json").write_text(content)
    stored(runs)

    text = (runs.folder / "index.html").read_text()
    page = Page(text)
    for words in (
        "fastapi carries",
        "20261101-000000-load/run.json is damaged",
        "mine has no run.json",
        "<b>/run.json has format 99",
    ):
        assert words in page.text
    assert page.tags["b"] == 0


@pytest.mark.parametrize("exists", [True, False])
def test_an_empty_index_says_what_to_type(tmp_path: Path, exists: bool):
    if exists:
        (tmp_path / ".gitignore").write_text("*")

    assert "type ./ponte load (or make load )" in Page(index.page(tmp_path if exists else tmp_path / "none")).text


@pytest.mark.usefixtures("undrawn")
def test_a_run_whose_page_is_missing_links_to_its_numbers(runs: Runs):
    path = stored(runs)
    (path / "index.html").unlink()

    assert Page(index.page(runs.folder)).links == [f"{path.name}/run.json"]


# Comparisons


def test_a_comparison_shows_both_runs_and_what_differed(runs: Runs):
    path = comparison.save(runs, fake.comparison(), AT)

    page = Page((path / "index.html").read_text())
    assert page.links[1:3] == ["../20261121-143000-load/index.html", "../20261122-091500-load/index.html"]
    for words in (
        "B is slower",
        "not distinguishable",
        "✕ regression",
        "commit abc1234 (clean) def5678 (with changes)",
    ):
        assert words in page.text


@pytest.mark.usefixtures("undrawn")
def test_a_comparison_is_listed_but_never_taken_for_a_run(runs: Runs):
    path = comparison.save(runs, fake.comparison(), AT)

    assert runs.latest("compare") is None
    with pytest.raises(NotARun, match="20261121-143000-compare is a comparison of two runs, not a run"):
        runs.load(path.name)
    assert "B is slower" in (runs.folder / "index.html").read_text()


def test_a_comparison_may_hold_arrays(runs: Runs):
    series = {"label": "A", "x": np.arange(1, 4), "y": np.array([0.1, np.nan, 1]), "style": "step"}
    path = comparison.save(runs, fake.comparison() | {"plots": [{"title": "ECDF", "series": [series]}]}, AT)

    assert json.loads((path / "comparison.json").read_text())["plots"][0]["series"][0]["y"] == [0.1, None, 1.0]
    assert "nothing was measured" not in (path / "index.html").read_text()


def test_differences_are_named_by_their_place():
    a, b = fake.run(), fake.run(config={"slo": {"p99": 0.5}, "stages": []})
    found = {what: (left, right) for what, left, right in comparison.differences(a, b)}

    assert found["slo p99"] == (0.25, 0.5)
    assert found["stages 1 name"] == ("20%", None)


# Words


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (240.1, "4 min 0 s"), (3661, "1 h 1 min 1 s"), (None, "")]
)
def test_durations_are_said_as_people_do(seconds: float | None, words: str):
    assert say.duration(seconds) == words


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1,204", "812", "\u2013", ""], "number"),
        (["< 0.1 %", "±3", "\u22124.2 ms"], "number"),
        (["0.98 to 1.04", None], "number"),
        (["flask", "2"], ""),
        (["", None], ""),
        (["suspect above 10 %, invalid above 25 %"], "text"),
    ],
)
def test_columns_of_numbers_are_aligned_on_the_right(cells: list[Any], kind: str):
    assert say.kind(cells) == kind
