"""The examiner: speaks MCP, A2A and HTTP to any server and imports nothing of ours.

So far it runs the official suites (`conformance.official`); requirements and checks of its own come with the A2A face.
"""
