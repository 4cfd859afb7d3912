"""Imports the program when it is imported: in the process that workers are forked off."""

from tests.fork_server import import_the_program

import_the_program()
