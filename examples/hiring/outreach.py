"""The `outreach` agent: drafts messages to candidates and "sends" them, which here means remembering that it did.

python examples/hiring/outreach.py --listen 127.0.0.1:0
"""

import hashlib
import uuid

import grpc
import grpc.aio
import serving
from google.protobuf.timestamp_pb2 import Timestamp
from hiring.v1 import candidates_pb2, outreach_pb2_grpc
from hiring.v1 import outreach_pb2 as pb
from profiles import all_profiles

FRIENDLY = """Hi {first},

your work with {skill} caught my eye. Would you like to talk about our role {role}?

{recruiter}"""
FORMAL = """Dear {name},

we would like to discuss the position {role} with you, given your experience with {skill}.

{recruiter}"""


class Outreach(outreach_pb2_grpc.OutreachServicer):
    """Keeps what was sent in memory."""

    def __init__(self) -> None:
        self._profiles = all_profiles()
        self._sent: list[pb.SendRequest] = []

    async def Draft(
        self, request: pb.DraftRequest, context: grpc.aio.ServicerContext[pb.DraftRequest, pb.DraftResponse]
    ) -> pb.DraftResponse:
        profile = self._profiles.get(request.candidate_id)
        if profile is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no candidate {request.candidate_id!r}")
        text = _text(request, profile.candidate)
        return pb.DraftResponse(draft_id=_draft_id(request), subject=request.role, text=text)

    async def Send(
        self, request: pb.SendRequest, context: grpc.aio.ServicerContext[pb.SendRequest, pb.SendResponse]
    ) -> pb.SendResponse:
        if request.candidate_id not in self._profiles:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"there is no candidate {request.candidate_id!r}")
        self._sent.append(request)
        now = Timestamp()
        now.GetCurrentTime()
        return pb.SendResponse(
            message_id=f"m-{uuid.uuid4().hex[:12]}",
            sent_at=now,
            channel=request.channel or pb.CHANNEL_EMAIL,
            sent_by=request.recruiter,
        )


def _draft_id(request: pb.DraftRequest) -> str:
    """The same for the same request, which is what makes drafting idempotent."""
    return f"d-{hashlib.sha256(request.SerializeToString(deterministic=True)).hexdigest()[:12]}"


def _text(request: pb.DraftRequest, candidate: candidates_pb2.Candidate) -> str:
    words = FORMAL if request.tone == pb.TONE_FORMAL else FRIENDLY
    return words.format(
        first=candidate.name.split(" ")[0],
        name=candidate.name,
        skill=candidate.skills[0],
        role=request.role,
        recruiter=request.recruiter,
    )


def register(server: grpc.aio.Server) -> None:
    outreach_pb2_grpc.add_OutreachServicer_to_server(Outreach(), server)


if __name__ == "__main__":
    serving.run(pb.DESCRIPTOR.services_by_name["Outreach"].full_name, register)
