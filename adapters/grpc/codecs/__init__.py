"""The two ways of turning JSON into protobuf and back; `adapters.grpc.codec` chooses."""
