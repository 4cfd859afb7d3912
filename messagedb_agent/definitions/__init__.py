"""What authors write of an agent, and what is made of it: definitions, and templates for them.

An `AgentDefinition` says who an agent is (role, goal, constraints, personality, examples), and
makes the one system prompt that follows from it. A template is a file with such a definition and
places in it that are filled in. `Definitions` keeps definitions under names, revision by revision.
"""

from messagedb_agent.definitions.authoring import AgentDefinition, Example
from messagedb_agent.definitions.named import Definitions
from messagedb_agent.definitions.saved import DefinitionSaved, SavedDefinition
from messagedb_agent.definitions.shelf import Shelf
from messagedb_agent.definitions.template import Template, read_template

__all__ = [
    "AgentDefinition",
    "DefinitionSaved",
    "Definitions",
    "Example",
    "SavedDefinition",
    "Shelf",
    "Template",
    "read_template",
]
