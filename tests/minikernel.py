# SPDX-License-Identifier: GPL-2.0-only
"""A project in small: our scripts on a kernel of a few files, with rules and a series to match."""

import os
import shutil
import subprocess
import tarfile

from p2plib import ROOT

KERNEL = {
    "Makefile": "VERSION = 6\nPATCHLEVEL = 12\nSUBLEVEL = 99\n",
    ".gitignore": "/*\n",
    "mm/gup.c": """int gup(int flags)
{
	if (flags & FOLL_PCI_P2PDMA)
		return 1;

	return 0;
}
""",
    "mm/other.c": "int other(void)\n{\n\treturn 7;\n}\n",
    "drivers/pci/Makefile": "obj-y += pci.o\nobj-y += p2pdma.o\nobj-y += last.o\n",
    "drivers/pci/p2pdma.c": "/* the one that goes */\n",
    "block/bio.c": "".join(f"int line{n};\n" for n in range(40)),
}

RULES = """# SPDX-License-Identifier: GPL-2.0-only
from collections import namedtuple
from p2plib.base import kinds as k
Rule = namedtuple('Rule', 'name file kind pattern counts inside why')
FILES = ('drivers/pci/p2pdma.c',)
TRACE = ('p2pdma',)
CALLERS = ()
RULES = [Rule('mini-gup', 'mm/gup.c', k.drop_if, 'FOLL_PCI_P2PDMA', (1,), None, None),
         Rule('mini-make', 'drivers/pci/Makefile', k.drop_line, r'p2pdma\\.o', (1,), None, None)]
"""

FIRST = """Subject: [PATCH] mm: return another number

Because the first patch has to say why.
---
 mm/gup.c | 2 +-

diff --git a/mm/gup.c b/mm/gup.c
--- a/mm/gup.c
+++ b/mm/gup.c
@@ -1,4 +1,4 @@
 int gup(int flags)
 {
-	return 0;
+	return 5;
 }
"""

SECOND = """Subject: [PATCH] PCI/P2PDMA: build it
---
diff --git a/drivers/pci/Makefile b/drivers/pci/Makefile
--- a/drivers/pci/Makefile
+++ b/drivers/pci/Makefile
@@ -1,2 +1,3 @@
 obj-y += pci.o
+obj-y += p2pdma.o
 obj-y += last.o
"""

SERIES = """# what this is
0001-mm-number.patch
# ours
0002-pci-build.patch
	drivers/pci/p2pdma.c
	drivers/pci/p2pdma/
"""

IDENTITY = {
    f"GIT_{role}_{part}": value
    for role in ("AUTHOR", "COMMITTER")
    for part, value in (("NAME", "Someone"), ("EMAIL", "someone@localhost"))
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_tarball(path, files, top="linux-source-6.12"):
    """A tarball like the package's, from {path: text}."""
    source = path.with_suffix(".d") / top
    for name, text in files.items():
        write(source / name, text)
    with tarfile.open(path, "w:xz") as tar:
        tar.add(source, top)
    shutil.rmtree(source.parent)
    return path


class MiniProject:
    """A folder with scripts/, patches/ and an overlay, and a tarball to build from."""

    def __init__(self, folder):
        self.root, self.tarball = folder / "project", folder / "linux.tar.xz"
        shutil.copytree(ROOT / "scripts", self.root / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
        write(self.root / "scripts/p2plib/base/rules.py", RULES)
        write(self.root / "BASE", 'PACKAGE=linux-source-6.12\nSERIES=6.12\nVERIFIED="1"\n')
        write(self.root / ".gitignore", "/build/\n__pycache__/\n")
        write(self.root / "patches/0001-mm-number.patch", FIRST)
        write(self.root / "patches/0002-pci-build.patch", SECOND)
        write(self.root / "patches/series", SERIES)
        write(self.root / "patches/cover-letter", "Subject: [PATCH] PCI/P2PDMA: mini\n\nWhy.\n")
        write(self.root / "drivers/pci/p2pdma.c", "int p2pdma;\n")
        write(self.root / "drivers/pci/p2pdma/route.c", "int route;\n")
        self.tree = self.root / "build/tree"
        make_tarball(self.tarball, KERNEL)
        self.git("init", "-q", cwd=self.root)

    def run(self, script, *argv, **env):
        """A script, with what the environment of the test run must not change taken out."""
        alien = ("FORCE", "INTO", "NET", "FIXES", "KERNEL_SRC")
        clean = {key: value for key, value in os.environ.items() if key not in alien}
        env = {**clean, **IDENTITY, "KERNEL_SRC": str(self.tarball), **env}
        return subprocess.run(
            [self.root / script, *argv], cwd=self.root, env=env, text=True, capture_output=True, check=False, timeout=60
        )

    def ok(self, script, *argv, **env):
        done = self.run(script, *argv, **env)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def fails(self, script, *argv, **env):
        """It must fail with one line, which is returned."""
        done = self.run(script, *argv, **env)
        lines = done.stderr.splitlines()
        assert done.returncode == 1 and len(lines) == 1, done.stdout + done.stderr
        assert lines[0].startswith("p2p: ") and ": " in lines[0][5:], lines[0]
        return lines[0]

    def git(self, *argv, cwd=None):
        return subprocess.run(
            ["git", *argv],
            cwd=cwd or self.tree,
            env={**os.environ, **IDENTITY},
            text=True,
            capture_output=True,
            check=True,
        ).stdout.strip()

    def files(self):
        """The tree hash of the branch, and that the work tree agrees with it."""
        assert not self.git("status", "--porcelain", "-uno")
        return self.git("rev-parse", "p2pdma^{tree}")

    def stamps(self):
        return {
            path: path.stat().st_mtime_ns
            for path in self.tree.rglob("*")
            if path.is_file() and ".git" not in path.relative_to(self.tree).parts
        }
