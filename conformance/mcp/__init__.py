"""MCP, revision 2026-07-28: what a server must answer over Streamable HTTP, without the MCP SDK in between.

`speech` makes requests, `survey` finds out what a server offers, `checks` is the table from requirement to check; the
other modules are the checks by feature.
"""
