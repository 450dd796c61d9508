"""`protoc-gen-interchange`: protoc or buf hand over descriptors, and one `interchange.manifest.json` comes back.

It writes nothing else and connects to nothing, so builds stay hermetic; `interchange registry publish` takes the file.
Mistakes go back as the error of the run, so both compilers print them and fail.
"""

import sys

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor_pb2 import Edition

from registry.manifest import write_manifest
from registry.model import BadRequest
from registry.protoc.build import build_manifest

FILE = "interchange.manifest.json"
_FEATURES = CodeGeneratorResponse.FEATURE_PROTO3_OPTIONAL | CodeGeneratorResponse.FEATURE_SUPPORTS_EDITIONS


def main() -> int:
    """Answer one request on standard input and output."""
    answer = respond(CodeGeneratorRequest.FromString(sys.stdin.buffer.read()))
    sys.stdout.buffer.write(answer.SerializeToString())
    return 0


def respond(request: CodeGeneratorRequest) -> CodeGeneratorResponse:
    """The manifest of the files to generate, or the mistakes in them."""
    answer = CodeGeneratorResponse(
        supported_features=_FEATURES,
        minimum_edition=Edition.EDITION_PROTO2,
        maximum_edition=Edition.EDITION_2024,
    )
    if request.parameter:
        answer.error = f'interchange takes no parameters, but was given "{request.parameter}".'
        return answer
    try:
        manifest = build_manifest(list(request.proto_file), list(request.file_to_generate))
    except BadRequest as error:
        answer.error = error.message
    else:
        answer.file.add(name=FILE, content=write_manifest(manifest))
    return answer
