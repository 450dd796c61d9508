"""Generated code and manifests are what `make protos` makes of the protos beside them, and nothing else."""

import pytest

from registry.protoc.generate import ROOT, Tree, generated, present, trees


@pytest.mark.parametrize("tree", trees(ROOT), ids=lambda tree: str(tree.out.relative_to(ROOT)))
def test_generated_code_is_fresh(tree: Tree) -> None:
    files = generated(tree)
    assert present(tree) == set(files), "run `make protos`"
    stale = [str(name) for name, content in files.items() if (tree.out / name).read_bytes() != content]
    assert stale == [], "run `make protos`"
