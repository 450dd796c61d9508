"""From annotated protos to a manifest: the plugin `protoc-gen-interchange` and everything it is made of.

`plugin` speaks protoc's protocol, `build` makes a manifest of file descriptors, `schema` turns messages into JSON
Schema. Nothing here knows of a store, a gateway or a running server; `registry.reflection` feeds `build` as well.
"""
