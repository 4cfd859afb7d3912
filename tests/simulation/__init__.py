"""A simulator of crashes: the real engine and the real store, on a server and a clock of its own.

Everything runs in one event loop whose time jumps to the next timer. Each process of the simulated
world is a context variable: a callback belongs to the process in whose context it runs. So a
process is killed, at any step between two awaits, by running none of its callbacks any more, as
SIGKILL does: no `finally`, no `except`. What it had sent to the server still happens.

    loop        virtual time; processes that can be killed and paused
    server      a model of Message DB: rows, locks by session, lost answers
    asked       a statement on its way there and back
    transactions  what tools write with their outcomes
    connection  a connection to it, as `MessageDbStore` uses one
    faults      what goes wrong, and when: a schedule drawn from a seed
    ledger      what tools did to the world, kept outside of the store
    provider    the model: answers what the user's text asks for
    world       all of it, and the processes that work in it
    scenarios   scripts of what people do
    checks      what must hold after every run
    remembering what is computed once, though many ask
    running     one run, from its schedule to its findings
"""
