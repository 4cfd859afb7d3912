"""The commands of `definitions`: how they are called. What they do is in `commands.defining`."""

from typing import Annotated

import typer

from messagedb_agent.cli.common import Common
from messagedb_agent.cli.shape import (
    By,
    Definition,
    Domain,
    Form,
    Template,
    Values,
    command,
    new_group,
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="What it is saved under.")]

group = new_group("Who agents are: definitions that are saved, and templates for them.")


@command(group, "list")
def _list(common: Common, form: Form = "text") -> int:
    """List what is saved, and the templates that there are."""
    from messagedb_agent.cli.commands import defining

    return defining.list_all(common, form)


@command(group, "show")
def _show(
    common: Common,
    definition: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME|FILE", help="What was saved, NAME@N for revision N of it; or a TOML file."
        ),
    ] = None,
    template: Template = None,
    domain: Domain = None,
    values: Values = None,
    form: Form = "text",
) -> int:
    """Print the system prompt that is made of a definition, a file or a template."""
    from messagedb_agent.cli import describing
    from messagedb_agent.cli.commands import defining

    described = describing.Described(definition, template, domain, values or ())
    return defining.show(common, described, form)


@command(group, "save")
def _save(
    common: Common,
    name: Name,
    definition: Definition = None,
    template: Template = None,
    domain: Domain = None,
    values: Values = None,
    by: By = None,
    follows: Annotated[
        int | None,
        typer.Option(
            min=-1,
            metavar="N",
            help="The revision that it is to follow, -1 for none; refused where another is there.",
        ),
    ] = None,
    form: Form = "text",
) -> int:
    """Save a definition under a name, as its next revision; one that says the same is not saved."""
    from messagedb_agent.cli import describing
    from messagedb_agent.cli.commands import defining

    described = describing.Described(definition, template, domain, values or ())
    return defining.save(common, name, described, defining.Saving(by, follows), form)


@command(group, "revisions")
def _revisions(common: Common, name: Name, form: Form = "text") -> int:
    """List the revisions of a name, with what each changed."""
    from messagedb_agent.cli.commands import defining

    return defining.revisions(common, name, form)
