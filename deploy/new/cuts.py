"""Cuts in text that is no Python. Each must find what it cuts: a file that changed is an error and not a wrong copy."""

import re
from collections.abc import Callable

from deploy.errors import impossible
from deploy.new.choice import Choice, of_service
from deploy.variables import prefix

Cut = Callable[[str, Choice], str]


class Missed(Exception):
    """There is nothing to cut where a rule expects something."""


def lines(*forms: str) -> Cut:
    """Every line that has one of the forms, in which {name} and {PREFIX} stand for a service that is left out."""

    def cut(text: str, choice: Choice) -> str:
        for name in choice.without:
            for form in forms:
                kept = [line for line in text.splitlines(keepends=True) if not has(line, form, name)]
                if len(kept) == len(text.splitlines()):
                    raise Missed(filled(form, name))
                text = "".join(kept)
        return text

    return cut


def blocks(first: str, last: str = "") -> Cut:
    """From the line of that form to `last`, or to the next empty line; both go too."""
    behind = r"\n?" if last else ""

    def cut(text: str, choice: Choice) -> str:
        for name in choice.without:
            found = re.search(
                rf"^{re.escape(filled(first, name))}.*?^{re.escape(last)}\n{behind}", text, re.MULTILINE | re.DOTALL
            )
            if not found:
                raise Missed(filled(first, name))
            text = text[: found.start()] + text[found.end() :]
        return text

    return cut


def documents(form: str) -> Cut:
    """Every document of a YAML file that has the form."""

    def cut(text: str, choice: Choice) -> str:
        parts = text.split("---\n")
        for name in choice.without:
            kept = [part for part in parts if filled(form, name) not in part]
            if len(kept) == len(parts):
                raise Missed(filled(form, name))
            parts = kept
        return "---\n".join(parts)

    return cut


def words(form: str, separator: str = ", ") -> Cut:
    """A word of a list, with the separator before or behind it."""

    def cut(text: str, choice: Choice) -> str:
        for name in choice.without:
            word = pattern(form, name)
            text, first = re.subn(rf"(?:{word}{re.escape(separator)}|{re.escape(separator)}{word})", "", text)
            if not first:
                raise Missed(filled(form, name))
        return text

    return cut


def say(old: str, new: str | Callable[[Choice], str], times: int = 1) -> Cut:
    """Other words in place of these, which stand there so many times."""

    def cut(text: str, choice: Choice) -> str:
        if text.count(old) != times:
            raise Missed(old)
        return text.replace(old, new if isinstance(new, str) else new(choice))

    return cut


def between(first: str, last: str, new: str | Callable[[Choice], str] = "") -> Cut:
    """Other words in place of everything from `first` up to `last`, which stays."""

    def cut(text: str, choice: Choice) -> str:
        start = text.find(first)
        end = text.find(last, start + len(first))
        if min(start, end) < 0:
            raise Missed(f"{first!r} ... {last!r}")
        return text[:start] + (new if isinstance(new, str) else new(choice)) + text[end:]

    return cut


def rows(*beginnings: str) -> Cut:
    """Every line that begins so."""

    def cut(text: str, choice: Choice) -> str:
        for each in beginnings:
            kept = [line for line in text.splitlines(keepends=True) if not line.startswith(each)]
            if len(kept) == len(text.splitlines()):
                raise Missed(each)
            text = "".join(kept)
        return text

    return cut


def when(asked: Callable[[Choice], bool], *cuts: Cut) -> Cut:
    def cut(text: str, choice: Choice) -> str:
        for each in cuts if asked(choice) else ():
            text = each(text, choice)
        return text

    return cut


def unless(engine: str, *cuts: Cut) -> Cut:
    """What is said of an engine, where it is left out."""
    return when(lambda choice: engine in choice.without_engines, *cuts)


def examples(text: str, choice: Choice) -> str:
    """In prose a service stands for any: the first of the new project takes the place of those that are left out."""
    name = choice.services[0]
    return choice.pattern.sub(lambda found: prefix(name) if found[0].isupper() else name, text)


def apply(path: str, text: str, cuts: tuple[Cut, ...], choice: Choice) -> str:
    for cut in cuts:
        try:
            text = cut(text, choice)
        except Missed as missed:
            raise impossible(f"{path} no longer holds {missed}; mend its rule in deploy/new/rules.py") from None
    return text


def filled(form: str, name: str) -> str:
    return form.replace("{name}", name).replace("{PREFIX}", name.upper().replace("-", "_"))


def pattern(form: str, name: str) -> str:
    found = re.escape(form).replace(r"\{name\}", rf"{re.escape(name)}(?!-asgi)")
    return found.replace(r"\{PREFIX\}", of_service(name))


def has(line: str, form: str, name: str) -> bool:
    return bool(re.search(pattern(form, name), line))
