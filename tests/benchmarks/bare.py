"""Writes a program that has the commands and options of another typer app and does nothing: what typer alone costs."""

from __future__ import annotations

import typer

HEAD = """from typing import Annotated

import typer

app = typer.Typer(
    name={name!r},
    help={help!r},
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={{"help_option_names": ["-h", "--help"]}},
)
"""


def source(app: typer.Typer, name: str) -> str:
    """The program, in Python, from what `app` declares."""
    group = typer.main.get_command(app)
    parts = [HEAD.format(name=name, help=group.help)]
    if group.params:
        parts.append(_function("@app.callback()", "options", group.params, group.help))
    for command in group.commands.values():
        decorator = f"@app.command({command.name!r}, short_help={command.short_help!r})"
        parts.append(_function(decorator, command.name.replace("-", "_"), command.params, command.help))
    parts.append(f'if __name__ == "__main__":\n    app(prog_name={name!r})\n')
    return "\n\n".join(parts)


def _function(decorator: str, name: str, parameters: list, text: str | None) -> str:
    lines = "".join(f"    {_parameter(one)},\n" for one in parameters if one.name != "help")
    return f"{decorator}\ndef {name}_(\n    *,\n{lines}) -> None:\n    {text or ''!r}\n"


def _parameter(one) -> str:
    options = {"help": one.help, "metavar": one.metavar}
    if type(one).__name__ == "TyperArgument":
        kind = "list[str]" if one.nargs == -1 else "str"
        declared = f"typer.Argument({_keywords(options)})"
    else:
        counted = getattr(one, "count", False)
        kind = "bool" if one.is_flag else "int" if counted else "list[str]" if one.multiple else "str"
        names = ", ".join(map(repr, [*one.opts, *one.secondary_opts]))
        declared = f"typer.Option({names}, {_keywords(options | ({'count': True} if counted else {}))})"
    if one.required:
        return f"{one.name}: Annotated[{kind}, {declared}]"
    default = one.default if one.default is not None else False if kind == "bool" else None
    optional = " | None" if default is None else ""
    return f"{one.name}: Annotated[{kind}{optional}, {declared}] = {default!r}"


def _keywords(options: dict[str, object]) -> str:
    return ", ".join(f"{key}={value!r}" for key, value in options.items() if value is not None)
