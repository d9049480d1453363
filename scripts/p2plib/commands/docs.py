# SPDX-License-Identifier: GPL-2.0-only
"""The documentation as HTML in build/docs/html: our pages alone, by the kernel's own Sphinx extensions.

The kernel's `make htmldocs` would render 3,000 pages with it, and warn about some of them.
"""

import argparse
import os
import shutil
import subprocess
from collections.abc import Sequence

from p2plib import BUILD, ROOT, Fail
from p2plib.common import need_space, say
from p2plib.docs import pages

TREE = BUILD / "tree"
DOCS = BUILD / "docs"
SOURCES = ("block", "drivers", "include", "kernel", "lib", "mm", "scripts")  # which kernel-doc reads


def main(argv: Sequence[str]) -> int:
    argparse.ArgumentParser(description=__doc__).parse_args(argv)
    if not (TREE / "Documentation" / "sphinx").is_dir():
        raise Fail("docs: no kernel tree: run 'make tree' first")
    need_space(BUILD, 20)
    shutil.rmtree(DOCS, ignore_errors=True)
    sources = DOCS / "srctree"
    # The extensions read sources below srctree; of the ABI files it has ours only.
    (sources / "Documentation").mkdir(parents=True)
    for folder in SOURCES:
        (sources / folder).symlink_to(TREE / folder)
    shutil.copytree(ROOT / "Documentation" / "ABI", sources / "Documentation" / "ABI")
    pages.lay_out(DOCS / "pages")
    options = {
        "project": "PCI peer-to-peer DMA",
        "master_doc": "index",
        "html_theme": "alabaster",
        "extensions": "kerneldoc,kernel_abi,automarkup,myst_parser",
        "primary_domain": "c",
        "highlight_language": "none",
        "kerneldoc_bin": str(TREE / "scripts" / "kernel-doc"),
        "kerneldoc_srctree": str(sources),
        "c_id_attributes": "__iomem,__rcu,__user,__force,__init",
    }
    env = {
        **os.environ,
        "KDOC_WERROR": "1",  # what kernel-doc has to say counts, too
        "srctree": str(sources),
        "PYTHONPATH": str(TREE / "Documentation" / "sphinx"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        "PATH": f"/usr/bin:{os.environ['PATH']}",  # Debian's python3 is the one that has Sphinx
    }
    command = ["sphinx-build", "-q", "-W", "--keep-going", "-C", "-b", "html", "-d", str(DOCS / "doctrees")]
    for name, value in options.items():
        command += ["-D", f"{name}={value}"]
    if subprocess.run([*command, str(DOCS / "pages"), str(DOCS / "html")], env=env, check=False).returncode:
        raise Fail("docs: not rendered: correct what Sphinx says above")
    say("docs: build/docs/html/index.html")
    return 0
