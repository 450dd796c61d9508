"""Overlays as publishing knows them: read from YAML, or laid over a manifest that is already built.

`registry.protoc` lays them over protos while it builds, where everything can still be said. On a built manifest only
what does not change a name or bring back a field can be corrected.
"""

from registry.manifest import Manifest
from registry.protoc.corrections import Overlay, load_overlay

__all__ = ["Overlay", "apply_overlay", "load_overlay"]


def apply_overlay(manifest: Manifest, overlay: Overlay) -> Manifest:
    """The manifest with the overlay's corrections."""
    raise NotImplementedError
