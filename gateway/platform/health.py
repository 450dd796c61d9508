"""gRPC's own health service, as far as anybody may ask without a token: `Check`, which is answered at once.

`Watch` is not implemented (clients take that for healthy): its streams would stay open, for nobody we know. Because
even a check can be left unfinished, each connection has few in hand; another connection's are never in its way.
"""

from collections import Counter
from collections.abc import Iterable

from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

from gateway.platform.rpc import Context, GenericHandler, only_message, service, when_done
from registry.model import BadRequest, Deadline, Overloaded, Unknown

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
AT_A_TIME = 4
"""Checks that one connection may have in hand."""

REQUEST = 1024
"""Bytes of a request: the name of a service."""

READING_SECONDS = 2.0


class HealthFace:
    """Says that what is served here is served."""

    def __init__(self, services: Iterable[str]) -> None:
        self._services = frozenset(services)
        self._in_hand: Counter[str] = Counter()

    def handler(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        return service(NAME, {"Check": self._check})

    async def _check(self, context: Context, _: Deadline) -> health_pb2.HealthCheckResponse:
        self._take_place(context)
        data = await only_message(context, most=REQUEST, seconds=READING_SECONDS)
        try:
            asked = health_pb2.HealthCheckRequest.FromString(data)
        except DecodeError:
            raise BadRequest("The request is not a HealthCheckRequest.") from None
        if asked.service not in self._services:
            raise Unknown("There is no such service here.")
        return health_pb2.HealthCheckResponse(status=health_pb2.HealthCheckResponse.SERVING)

    def _take_place(self, context: Context) -> None:
        """Count a check until its answer has gone out.

        Raises:
            Overloaded: the connection has as many as it may.
        """
        connection = context.peer()
        if self._in_hand[connection] >= AT_A_TIME:
            raise Overloaded("This connection has too many checks in hand.")
        self._in_hand[connection] += 1
        when_done(context, lambda: self._give_back(connection))

    def _give_back(self, connection: str) -> None:
        self._in_hand[connection] -= 1
        if not self._in_hand[connection]:
            del self._in_hand[connection]
