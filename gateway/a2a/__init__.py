"""The A2A face: every agent an endpoint of A2A 1.0, over JSON-RPC and REST. The only place that knows its SDK."""

import logging
import os

# Read by the SDK when it is imported: it would make a span of every method that it calls.
os.environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")

# It logs what clients send, with a traceback for each that does not parse. What matters to operators, the face logs.
logging.getLogger("a2a").setLevel(logging.CRITICAL)
