# SPDX-License-Identifier: GPL-2.0-only
"""The mailable series, the net difference to the stock base, and a build of each commit."""

import os
import re
import subprocess
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path

from p2plib import ROOT, Fail
from p2plib.common import fresh_folder, replace_folder, say
from p2plib.compose.git import DIFF, Git, lay_out
from p2plib.compose.series import Patch
from p2plib.compose.tree import Tree, reason

REPRODUCE = """\
How to get this base: base-commit is {label} with its own P2PDMA taken out. The
repository of this series makes the same commit, hash included, from that source: `make tree` lays
it at build/tree, tag `base`. For an unchanged {version} there is the net difference instead
(`make series NET=1`)."""

# What a kernel loses that gets no hooks in these files: (start of the path, what that is).
FUNCTIONS = (
    ("drivers/nvme/target/", "the NVMe target: data in peer memory, p2pmem of a port in configfs"),
    ("block/bio-integrity.c", "the block layer: peer memory with integrity metadata"),
    ("drivers/nvme/host/", "the NVMe host: registering its memory buffer, data in peer memory"),
    ("drivers/iommu/", "dma-iommu: peer memory behind an IOMMU"),
    ("kernel/dma/direct.c", "dma-direct: peer memory"),
)


Env = dict[str, str]


def identity() -> Env:
    """The git identity of who exports, as GIT_AUTHOR_* and GIT_COMMITTER_*."""
    env = dict(os.environ, LC_ALL="C")
    done = subprocess.run(
        ["git", "-c", "user.useConfigOnly=true", "var", "GIT_AUTHOR_IDENT"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=env,
        check=False,
    )
    match = re.match(r"(.+) <(.+)> \d+ ", done.stdout)
    if not match:
        raise Fail(
            "series: git does not know who you are, and the patches will carry your name: "
            "git config --global user.name and user.email"
        )
    return {
        f"GIT_{role}_{part}": value
        for role in ("AUTHOR", "COMMITTER")
        for part, value in (("NAME", match[1]), ("EMAIL", match[2]))
    }


class Export:
    def __init__(self, tree: Tree) -> None:
        self.tree, self.git = tree, tree.git
        self.commits = tree.state["commits"]

    def letter(self, name: str) -> Patch:
        path = self.tree.root / "patches" / name
        if not path.exists():
            raise Fail(f"series: no patches/{name}: restore it with git checkout")
        return Patch(path.read_bytes(), name)

    @property
    def cover(self) -> Patch:
        return self.letter("cover-letter")

    def signed(self, tree: str, parent: str, message: str, env: Env, number: int = 0) -> str:
        """A commit with the name of who exports."""
        date = f"{int(time.time()) + number} +0000"
        env = dict(env, GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        return self.git("commit-tree", tree, "-p", parent, data=message, env=env)

    def format_patch(self, part: Path, first: str, last: str, env: Env, *options: str) -> None:
        self.git(
            "format-patch",
            "-q",
            "-s",
            "--no-signature",
            "--no-renames",
            "--unified=3",
            *DIFF,
            "-o",
            str(part),
            *options,
            f"{first}..{last}",
            env=env,
        )

    def note(self) -> str:
        return textwrap.fill(REPRODUCE.format(**self.tree.state), 72)

    def series(self) -> Path:
        """build/series: cover letter and patches; returns the folder."""
        env, base, words = identity(), self.git("rev-parse", "refs/tags/base"), self.cover
        parent = base
        for number, (_, commit) in enumerate(self.commits):
            message = self.git("log", "-1", "--format=%B", commit) + "\n"
            parent = self.signed(commit + "^{tree}", parent, message, env, number)
        folder = self.tree.build / "series"
        part = fresh_folder(folder)
        self.format_patch(part, base, parent, env, "--cover-letter", "--base=" + base)
        self.write_cover(part, words.subject, f"{words.body}\n\n{self.note()}")
        replace_folder(part, folder)
        return folder

    @staticmethod
    def write_cover(part: Path, subject: str, body: str) -> None:
        cover = part / "0000-cover-letter.patch"
        text = cover.read_text(encoding="utf-8")
        text = text.replace("*** SUBJECT HERE ***", subject).replace("*** BLURB HERE ***", body)
        cover.write_text(text, encoding="utf-8")

    def net(self) -> Path:
        """build/series-net: one patch on the stock base; returns the folder."""
        env, stock = identity(), self.git("rev-parse", "refs/tags/stock")
        words = self.letter("net-letter")
        message = f"{words.subject}\n\n{words.body}\n\n{self.taken_out()}\n"
        message = message.replace("{label}", self.tree.state["label"])
        message = message.replace("{title}", self.cover.subject)
        commit = self.signed(self.commits[-1][1] + "^{tree}", stock, message, env)
        folder = self.tree.build / "series-net"
        part = fresh_folder(folder)
        self.format_patch(part, stock, commit, env)
        replace_folder(part, folder)
        return folder

    def stock_fixes(self) -> list[tuple[str, Patch]]:
        """What mends faults of the stock base, and the tests of that.

        Those of the series that say Fixes:, and those for the P2PDMA that the series replaces, patches/fixes.
        """
        folder = self.tree.root / "patches"
        series = [(name, Patch((folder / name).read_bytes(), name)) for name, _ in self.commits]
        others = [f"fixes/{path.name}" for path in sorted((folder / "fixes").glob("*.patch"))]
        return [(name, patch) for name, patch in series if is_fix(patch)] + [
            (name, Patch((folder / name).read_bytes(), name)) for name in others
        ]

    def on_stock(self, patches: Sequence[tuple[str, Patch]], env: Env) -> str:
        """The last of the commits that these patches are on the stock base."""
        parent = self.git("rev-parse", "refs/tags/stock")
        git = Git(self.tree.folder, self.tree.folder / ".git" / "p2p-fixes")
        git("read-tree", parent)
        for number, (name, patch) in enumerate(patches):
            try:
                git("apply", "--cached", "--whitespace=nowarn", data=patch.diff)
            except Fail as error:
                raise Fail(f"patches/{name} does not apply to stock ({reason(error)}): correct it") from None
            parent = self.signed(git("write-tree"), parent, patch.message, env, number)
        return parent

    def fixes(self) -> Path:
        """build/series-fixes: cover letter, and what mends faults of the stock base; returns the folder."""
        env, words = identity(), self.letter("fixes/cover-letter")
        last = self.on_stock(self.stock_fixes(), env)
        target = self.tree.build / "series-fixes"
        part = fresh_folder(target)
        self.format_patch(part, self.git("rev-parse", "refs/tags/stock"), last, env, "--cover-letter")
        self.write_cover(part, words.subject, words.body)
        replace_folder(part, target)
        return target

    def taken_out(self) -> str:
        """What stock has and this has not: the files whose hooks the series does not put back."""
        last = self.commits[-1][1]
        stripped = self.git.lines(
            "diff", "-z", "--no-renames", "--name-only", "--diff-filter=M", "refs/tags/stock", "refs/tags/base"
        )
        changed = self.git.lines("diff", "-z", "--no-renames", "--name-only", "refs/tags/base", last)
        lost = sorted(set(stripped) - set(changed))
        if not lost:
            return "Every file in which this kernel has P2PDMA has it here too."
        functions = ["- " + what for start, what in FUNCTIONS if any(path.startswith(start) for path in lost)]
        text = ["What goes away with it:", "", *functions, ""] if functions else []
        return "\n".join(
            [
                *text,
                "Files in which this kernel has P2PDMA and the series puts none:",
                "",
                *("  " + path for path in lost),
            ]
        )

    def check_builds(self, config: str) -> int:
        """Build the base and each commit in a tree of its own; returns how many failed."""
        folder, index = self.tree.build / "series-tree", self.tree.build / ".series-tree.index"
        if not folder.exists():
            index.unlink(missing_ok=True)
        failed = 0
        base = ["base", self.git("rev-parse", "refs/tags/base")]
        for number, (name, commit) in enumerate([base, *self.commits]):
            lay_out(self.git, commit, folder, index)
            start = time.monotonic()
            done = subprocess.run(
                [ROOT / "scripts/build", config, "--tree", folder, "--out", "series-" + config, "--lenient"],
                check=False,
            )
            word = "ok" if not done.returncode else "FAILED"
            failed += bool(done.returncode)
            seconds = int(time.monotonic() - start)
            say(f"series: {number}/{len(self.commits)} {name} {word} ({seconds} s)")
        return failed


def is_fix(patch: Patch) -> bool:
    return bool(re.search(r'(?m)^Fixes: [0-9a-f]{12} \(".+"\)$', patch.body))


def exported(tree: Tree) -> Export:
    """An Export of a tree that is up to date and clean."""
    tree.update()
    if why := tree.why_not_clean():
        raise Fail(f"series: build/tree: {why}: bring them back with `make refresh` first")
    if not tree.state["commits"]:
        raise Fail("series: patches/series is empty: there is nothing to export")
    return Export(tree)
