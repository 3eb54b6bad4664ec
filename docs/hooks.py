"""Makes one page per command when the documentation is built, so that pages cannot differ from the program."""

from __future__ import annotations

import re
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
    rows = [_row(parameter) for parameter in command.params if not getattr(parameter, "hidden", False)]
    examples = re.sub(r"^Examples?: *", "", command.epilog or "").split("|")
    listed = "\n".join(example.strip() for example in examples if example.strip())
    return (
        f"# talan-eval {name}\n\n{_paragraphs(command.help or '')}\n\n## Options\n\n| option | meaning | default |\n"
        f"|---|---|---|\n{chr(10).join(rows)}\n\n## Examples\n\n```bash\n{listed}\n```\n"
    )


def _row(parameter: click.Parameter) -> str:
    names = (
        " ".join(f"`{name}`" for name in parameter.opts)
        if parameter.param_type_name == "option"
        else f"`{parameter.name}`"
    )
    text = str(getattr(parameter, "help", "") or "").replace("|", "\\|")
    default = parameter.default
    plain = "" if default is None or default is False or callable(default) or parameter.required else f"`{default}`"
    return f"| {names} | {text} | {plain} |"


def _paragraphs(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n")).replace("<", "&lt;")
