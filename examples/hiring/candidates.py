"""The `candidates` agent: an ordinary gRPC service over the invented pool. It knows nothing of the gateway.

python examples/hiring/candidates.py --listen 127.0.0.1:0
"""

import grpc
import grpc.aio
import serving
from hiring.v1 import candidates_pb2 as pb
from hiring.v1 import candidates_pb2_grpc as rpc
from profiles import all_profiles
from search import PAGE, find, index_of


class Candidates(rpc.CandidatesServicer):
    """Answers from memory."""

    def __init__(self) -> None:
        self._profiles = all_profiles()
        self._index = index_of(self._profiles.values())

    async def Search(
        self, request: pb.SearchRequest, context: grpc.aio.ServicerContext[pb.SearchRequest, pb.SearchResponse]
    ) -> pb.SearchResponse:
        if request.page_token and not (request.page_token.isascii() and request.page_token.isdigit()):
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "pageToken is not one that a search returned")
        found = find(request, self._index)
        start = int(request.page_token or 0)
        end = start + (request.limit if request.HasField("limit") else PAGE)
        return pb.SearchResponse(
            candidates=found[start:end],
            total=len(found),
            next_page_token=str(end) if end < len(found) else "",
            searched_by=request.recruiter,
        )

    async def Get(
        self, request: pb.GetRequest, context: grpc.aio.ServicerContext[pb.GetRequest, pb.Profile]
    ) -> pb.Profile:
        profile = self._profiles.get(request.id)
        if profile is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no candidate {request.id!r}")
        return profile


def register(server: grpc.aio.Server) -> None:
    rpc.add_CandidatesServicer_to_server(Candidates(), server)


if __name__ == "__main__":
    serving.run(pb.DESCRIPTOR.services_by_name["Candidates"].full_name, register)
