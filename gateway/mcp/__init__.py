"""The MCP face: skills as tools, for revision 2026-07-28 and the older ones, on one URL.

The only room that imports the `mcp` SDK. It keeps no state of its own but open subscriptions and older revisions'
sessions; who may see or call what is decided in the corridor, never here.
"""
