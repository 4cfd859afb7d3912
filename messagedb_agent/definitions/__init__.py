"""What authors write of an agent, and what is made of it: definitions, and templates for them.

An `AgentDefinition` says who an agent is (role, goal, constraints, personality, examples), and
makes the one system prompt that follows from it. A template is a file with such a definition and
places in it that are filled in.
"""

from messagedb_agent.definitions.authoring import AgentDefinition, Example

__all__ = ["AgentDefinition", "Example"]
