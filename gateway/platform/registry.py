"""The operators' door to the registry: `interchange.v1.Registry`."""

from interchange.v1 import registry_pb2

from gateway.operators import asked_of_registry
from gateway.platform.callers import Callers
from gateway.platform.operations import Handle, OperationsFace

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]

LARGE = frozenset({"Publish", "Import", "Diff"})
"""The operations that carry a manifest or a descriptor set."""


def registry_face(*, handle: Handle, callers: Callers) -> OperationsFace:
    """Answers `interchange.v1.Registry`."""
    return OperationsFace(SERVICE, asked_by=asked_of_registry, handle=handle, callers=callers, large=LARGE)
