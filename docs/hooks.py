"""Makes the pages of commands and of the Python reference when the documentation is built, from the program itself."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import TYPE_CHECKING, Final

import typer
from mkdocs.structure.files import File

from talan_eval.cli.main import app

if TYPE_CHECKING:
    import click
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

OUTSIDE: Final = re.compile(r"\[(?P<text>[^]]*)\]\(\.\./(?P<path>(results|examples)/[^)#]*)(#[^)]*)?\)")
REFERENCE: Final = ("talan_eval", "talan_core", "talan_core.training", "talan_core.analysis", "talan_eval.stats")
"""Packages with a page of reference: what they export, or else all that their modules hold."""


def commands() -> dict[str, str]:
    """Return the Markdown page of each command, by name."""
    group = typer.main.get_command(app)
    commands = getattr(group, "commands", {})
    return {name: _page(name, command) for name, command in commands.items()}


def reference() -> dict[str, str]:
    """Return the Markdown page of each package, by name; mkdocstrings fills in what it names."""
    shown: set[str] = set()  # by a page before: a name has one place
    return {name: _reference(name, shown) for name in REFERENCE}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation."""
    entries = {
        "Commands": [{f"talan-eval {name}": f"commands/{name}.md"} for name in commands()],
        "Python reference": [{name: f"reference/{name}.md"} for name in REFERENCE],
    }
    config.nav = [
        {entry: entries[entry]} if isinstance(entry, str) and entry in entries else entry for entry in config.nav or []
    ]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for folder, pages in (("commands", commands()), ("reference", reference())):
        for name, text in pages.items():
            files.append(File.generated(config, f"{folder}/{name}.md", content=text))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Write links to files beside docs/ as the names of these files: the site does not have them, a checkout does."""
    return OUTSIDE.sub(
        lambda link: f"{link['text']} (`{link['path']}`)" if "`" not in link["text"] else link["text"], markdown
    )


def _reference(name: str, shown: set[str]) -> str:
    package = importlib.import_module(name)
    exported = [one for one in getattr(package, "__all__", ()) if not one.startswith("_") and one not in shown]
    if exported:
        named = [f"{inspect.getmodule(getattr(package, one)).__name__}.{one}" for one in exported]
    else:
        named = [f"{name}.{one.name}" for one in pkgutil.iter_modules(package.__path__) if not one.ispkg]
    hidden = "".join(f', "!^{one}$"' for one in sorted(shown))
    shown.update(exported)
    summary = (inspect.getdoc(package) or "").splitlines()[0]
    options = f'    options:\n      filters: ["!^_"{hidden}]\n\n'
    return f"# {name}\n\n{summary}\n\n" + "".join(f"::: {one}\n{options}" for one in named)


def _page(name: str, command: click.Command) -> str:
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if not getattr(parameter, "hidden", False):
            argument = parameter.param_type_name == "argument"
            panel = "Arguments" if argument else getattr(parameter, "rich_help_panel", None) or "Options"
            panels.setdefault(panel, []).append(_row(parameter))
    tables = "".join(
        f"## {panel}\n\n| option | meaning | default |\n|---|---|---|\n{chr(10).join(rows)}\n\n"
        for panel, rows in panels.items()
    )
    return (
        f"# talan-eval {name}\n\n{_paragraphs(command.help or '')}\n\n"
        f"## Examples\n\n```bash\n{command.epilog or ''}\n```\n\n{tables}"
    )


def _row(parameter: click.Parameter) -> str:
    metavar = getattr(parameter, "metavar", None) or ""
    behind = f" {metavar}" if metavar and parameter.param_type_name == "option" else ""
    names = (
        "<br>".join(f"`{name}{behind}`" for name in (*parameter.opts, *parameter.secondary_opts))
        if parameter.param_type_name == "option"
        else f"`{parameter.name}`"
    )
    text = str(getattr(parameter, "help", "") or "")
    default = parameter.default
    plain = "" if default in (None, False, [], ()) or callable(default) or parameter.required else _plain(default)
    return "| " + " | ".join(part.replace("|", "\\|") for part in (names, text, plain)) + " |"


def _plain(default: object) -> str:
    words = default if isinstance(default, list | tuple) else ("yes" if default is True else default,)
    return ", ".join(f"`{word}`" for word in words)


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).replace("<", "&lt;")
