"""Makes one page per command when the documentation is built, so that pages cannot differ from the program."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer
from mkdocs.structure.files import File

from talan_eval.cli.main import app

if TYPE_CHECKING:
    import click
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

SECTION = "Commands"


def pages() -> dict[str, str]:
    """Return the Markdown page of each command, by name."""
    group = typer.main.get_command(app)
    commands = getattr(group, "commands", {})
    return {name: _page(name, command) for name, command in commands.items()}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the pages into the navigation."""
    entries = [{f"talan-eval {name}": f"commands/{name}.md"} for name in pages()]
    nav = config.nav or []
    config.nav = [{SECTION: entries} if entry == SECTION else entry for entry in nav]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to the site."""
    for name, text in pages().items():
        files.append(File.generated(config, f"commands/{name}.md", content=text))
    return files


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
