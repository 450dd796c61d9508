"""The A2A face: every agent an endpoint of A2A 1.0, over JSON-RPC and REST. The only place that knows its SDK."""

import logging
import os
import sys
from types import ModuleType
from typing import Final, cast

# Read by the SDK when it is imported: it would make a span of every method that it calls.
os.environ.setdefault("OTEL_INSTRUMENTATION_A2A_SDK_ENABLED", "false")

# It logs what clients send, with a traceback for each that does not parse. What matters to operators, the face logs.
logging.getLogger("a2a").setLevel(logging.CRITICAL)

_DATABASES: Final = (
    "a2a.server.cluster.database_event_stream",
    "a2a.server.cluster.database_task_store",
    "a2a.server.tasks.database_push_notification_config_store",
    "a2a.server.tasks.database_task_store",
)
"""What its extra `sql` is for, which we do not ask for: it keeps nothing for us."""

# It loads them wherever SQLAlchemy is installed, which is what the registry uses, and with them the ORM: 7 MB and a
# tenth of a start. None says to Python that a module is not there, and the SDK goes on without.
for _name in _DATABASES:
    cast("dict[str, ModuleType | None]", sys.modules).setdefault(_name, None)
