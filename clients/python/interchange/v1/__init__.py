"""Generated from registry/proto by `make protos`; never edited."""
