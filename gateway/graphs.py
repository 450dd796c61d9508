"""Graphs that the configuration names: made known to the registry as their gateway starts, by its operator.

What is published of them goes through the corridor like everything else; a changed description waits for approval.
"""

import logging
from collections.abc import Mapping

from interchange_client.manifest import write_manifest

from gateway.config import Graph
from gateway.corridor import Corridor
from gateway.offline import operate
from registry.model import JsonObject

logger = logging.getLogger(__name__)


async def publish_graphs(corridor: Corridor, graphs: Mapping[str, Graph]) -> None:
    """Publish each graph as an agent that converses, bound to this process.

    Raises:
        InterchangeError: the registry does not accept one.
    """
    binding: JsonObject = {"kind": "process", "targets": []}
    for name, graph in graphs.items():
        manifest = write_manifest(
            {"name": name, "domain": graph.domain, "title": graph.title, "description": graph.description}
        )
        answer = await operate(corridor, "Publish", {"manifest": manifest})
        await operate(corridor, "Bind", {"name": name, "binding": binding})
        if any(change.get("outcome") == "waiting" for change in answer.get("changes", [])):
            logger.warning("[graphs.%s] changed and waits for approval: interchange registry approve %s", name, name)
