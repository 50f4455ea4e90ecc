"""matplotlib's SVG made fit to stand in a page among others: themed, small, with ids of its own."""

import re

INK, LINE = "#fe0000", "#fe0001"  # stand-ins: the page's style sheet owns the colours, dark mode included
SERIES = [f"#fe00{0x10 + number:02x}" for number in range(7)]
THEME = {INK: "currentColor", LINE: "var(--line)"} | {
    colour: f"var(--series-{number})" for number, colour in enumerate(SERIES, 1)
}

PROLOG = re.compile(r"^.*?(?=<svg)", re.DOTALL)
OPENING = re.compile(r"<svg [^>]*?viewBox=\"([^\"]+)\"[^>]*>")
NEEDLESS = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->|<style[^>]*>.*?</style>", re.DOTALL)
PAINT = re.compile(r"(?<=[: \"])#fe00[01][0-9a-f](?=[;\"])")
FONT = re.compile(r"font: (?:[a-z0-9 ]+ )?([\d.]+px) [^;\"]*")
LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")
PATH_DATA = re.compile(r" d=\"[^\"]*\"")
ID = re.compile(r" id=\"([^\"]+)\"")
REFERENCE = re.compile(r"(href=\"#|url\(#)([^\")]+)")


def inline(text: str, name: str, title: str) -> str:
    """`name` must be unique in the page; `title`, already escaped, is what a screen reader says."""
    text = NEEDLESS.sub("", PROLOG.sub("", text, count=1))
    text = OPENING.sub(rf'<svg viewBox="\1" role="img" aria-label="{_literal(title)}">', text, count=1)
    text = PAINT.sub(lambda found: THEME.get(found[0], "currentColor"), text)
    text = PATH_DATA.sub(lambda found: LONG_NUMBER.sub(r"\1", found[0].replace("\n", "")), text)
    text = FONT.sub(r"font-size: \1", text)
    return re.sub(r"\n\s*", "\n", _own_ids(text, name)).strip()


def _own_ids(text: str, name: str) -> str:
    """Only ids that something refers to stay, each under `name`; a group called mark becomes a class."""
    wanted = {found[2] for found in REFERENCE.finditer(text)}

    def rename(found: re.Match[str]) -> str:
        if found[1].startswith("mark"):
            return ' class="mark"'
        return f' id="{name}-{found[1]}"' if found[1] in wanted else ""

    return REFERENCE.sub(rf"\g<1>{name}-\g<2>", ID.sub(rename, text))


def _literal(text: str) -> str:
    return text.replace("\\", r"\\")
