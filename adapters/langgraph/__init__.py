"""Graphs hosted inside the gateway's own process, for small installations: agents without a service of their own."""
