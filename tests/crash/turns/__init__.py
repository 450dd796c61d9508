"""The crash test of turns: what holds while gateways, agents and their servers are killed, stopped and deployed.

Two gateways (`gateway`) share a log; agents behind both bindings (`agent`) note every side effect in files of their
own; A2A clients (`clients`) talk to both gateways and note what they were told. A `storm` strikes all of them.
Afterwards `checks` compares what agents, clients and webhooks noted with what the database says, read by plain SQL, and
with both audit logs. `gateway` can also be one with a fault, so that each check is known to bite.

    python -m tests.crash.turns --engine sqlite --seconds 300
"""
