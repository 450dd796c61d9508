"""A2A 1.0, examined from outside: cards and their signatures, messages, tasks and streams over JSON-RPC and REST.

An independent reading of the specification: no SDK of the protocol is used, and nothing of the application.
"""
