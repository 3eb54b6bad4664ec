"""Links of README and documentation lead to a file and a heading that exist; `make docs` checks the whole site."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page
    for pattern in ("*.md", "docs/**/*.md", "talan_core/**/*.md", "tasks/**/*.md", "results/*.md", "examples/**/*.md")
    for page in ROOT.glob(pattern)
)
MADE_WITH_THE_SITE = ("commands/", "reference/")
MARKDOWN = MarkdownIt("commonmark")


def tokens_of(page):
    for token in MARKDOWN.parse(page.read_text("utf-8")):
        yield token
        yield from token.children or ()


def links_of(page):
    for token in tokens_of(page):
        target = token.attrs.get("href") or token.attrs.get("src")
        if target:
            yield unquote(str(target))


def headings_of(page):
    """Return the anchors of a page's headings, as Markdown for Python and GitHub make them of plain words."""
    tokens = MARKDOWN.parse(page.read_text("utf-8"))
    words = (after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open")
    return {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()) for text in words}


def lost(page):
    """Return the links of a page that lead nowhere here."""
    for target in links_of(page):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc or parts.path.startswith(MADE_WITH_THE_SITE):
            continue
        place = page if not parts.path else (page.parent / parts.path).resolve()
        if not place.exists() or (parts.fragment and parts.fragment not in headings_of(place)):
            yield target


def test_there_are_pages_with_links():
    assert len(PAGES) > 20
    assert sum(len(list(links_of(page))) for page in PAGES) > 50


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    assert list(lost(page)) == []


def test_a_link_to_a_page_or_heading_that_is_gone_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Here it is\n\n[a](gone.md) [b](#here-it-is) [c](#not-here) [d](page.md#gone) ![e](e.png)\n")
    assert list(lost(page)) == ["gone.md", "#not-here", "page.md#gone", "e.png"]
