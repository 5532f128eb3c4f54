"""A git checkout, read without running anything of it: refs, the trees of commits, what changed, a tree as a folder.

Only git's own readers of objects are used (`rev-parse`, `ls-tree`, `cat-file`, `ls-files`, `diff-index`). None of them
runs hooks, filters, text conversions or a pager, and git may open no connection: what is not in the clone is missing.
A tree is written as plain files. Links in it are followed within it alone, and copied.
"""

from __future__ import annotations

import os
import posixpath
import shutil
import stat
import subprocess
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from models.diagnostics import InputError, input_error, near, quoted

ENTRIES_MAX: Final = 500_000
"""Files of a tree. An assumption: the largest public repositories have about as many."""
FILES_MAX: Final = 20_000
BYTES_MAX: Final = 512_000_000
"""What is written of one tree. Assumptions: scenarios name policies and traces, no data sets."""
LINKS_MAX: Final = 8
"""Links that are followed one after another."""
_SECONDS_MAX: Final = 120
_REF_MAX: Final = 1_000

Status = Literal["added", "removed", "changed"]

_SAFE: Final = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.untrackedCache=false",
    "protocol.allow=never",
    "safe.bareRepository=explicit",
)
"""Settings that win over those of the repository, which could name programs to run."""


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and how it was asked for."""

    ref: str
    id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A file of a tree. `blob` is empty where it is a file of the working tree."""

    path: str
    kind: Literal["file", "link", "other"]
    blob: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A file that is not the same in two trees."""

    path: str
    status: Status


@dataclass(frozen=True)
class Tree:
    """The files of a commit, or of the working tree where there is no commit, by path."""

    root: Path
    commit: Commit | None
    entries: Mapping[str, Entry] = field(repr=False)

    @property
    def name(self) -> str:
        """How the tree is told."""
        return "the working tree" if self.commit is None else self.commit.ref

    def below(self, folder: str) -> list[str]:
        """The paths of a file, or of all files in a folder; an empty path is the root."""
        if folder in self.entries:
            return [folder]
        return [path for path in self.entries if not folder or path.startswith(f"{folder}/")]

    def links(self) -> dict[str, str]:
        """Where each link leads, by its path; an empty path is the root. Those that leave the tree are left out."""
        texts = _contents(self, [entry for entry in self.entries.values() if entry.kind == "link"])
        goals = ((path, _goal(path, os.fsdecode(text))) for path, text in texts.items())
        return {path: goal for path, goal in goals if goal is not None}

    def read(self, path: str) -> bytes | None:
        """What a file holds, with links followed; None where there is none. Raises InputError where it is refused."""
        place = self._followed(path)
        return None if place is None else _contents(self, [self.entries[place]])[place]

    def write(self, paths: Iterable[str], into: Path) -> None:
        """Write files into a folder, each at its own path; links as what they lead to.

        Raises InputError where a path or a link leaves the tree, and where there is too much.
        """
        places = dict(self._places(paths))
        if len(places) > FILES_MAX:
            raise input_error("too many files", self.name, f"at most {FILES_MAX:,} are read: name fewer paths")
        contents = _contents(self, [self.entries[place] for place in dict.fromkeys(places.values())])
        for path, place in places.items():
            file = into / _inside(path, self.name)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents[place])

    def _places(self, paths: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Each path to write, and the file that it holds."""
        for path in paths:
            entry = self.entries[path]
            if entry.kind == "file":
                yield path, path
            elif entry.kind == "link":
                goal = self._target(path)
                for inner in self.below(goal):
                    if (place := self._followed(inner)) is not None:
                        yield path + inner[len(goal) :], place

    def _followed(self, path: str) -> str | None:
        """The file that a path leads to; None where it leads to none."""
        for _ in range(LINKS_MAX):
            entry = self.entries.get(path)
            if entry is None or entry.kind == "file":
                return path if entry else None
            if entry.kind == "other":
                return None
            path = self._target(path)
        raise input_error(f"{quoted(path)} is a link that leads nowhere", self.name)

    def _target(self, path: str) -> str:
        """Where a link leads, by its text. Raises InputError where that is outside of the tree."""
        goal = _goal(path, os.fsdecode(_contents(self, [self.entries[path]])[path]))
        if goal is None:
            message = f"{quoted(path)} is a link that leaves the repository"
            raise input_error(message, self.name, "what a scenario names lies in the repository")
        return goal


def _goal(link: str, text: str) -> str | None:
    """Where a link with a text leads, from the root; None where that is outside of the tree."""
    goal = posixpath.normpath(posixpath.join(posixpath.dirname(link), text))
    if posixpath.isabs(text) or goal == ".." or goal.startswith("../"):
        return None
    return "" if goal == "." else goal


# --- the repository ---------------------------------------------------------------------------------------------------


def find(start: Path) -> Path:
    """The root of the checkout that a folder is in. Raises InputError where it is in none."""
    done = _run(start, "rev-parse", "--show-toplevel")
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        told = said[0].removeprefix("fatal: ") if said else "not a git checkout"
        raise input_error(f"git finds no checkout here: {quoted(told)}", str(start), "run it in a git checkout")
    return Path(os.fsdecode(done.stdout.removesuffix(b"\n")))


def resolve(root: Path, ref: str, option: str) -> Commit:
    """The commit that a ref names. Raises InputError, with the near name, where it names none."""
    if not ref or ref.startswith("-") or len(ref) > _REF_MAX or not ref.isprintable():
        raise input_error(f"{quoted(ref)} is not a ref", option, "a branch, a tag or a commit, such as `origin/main`")
    done = _run(root, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
    if done.returncode:
        raise _unknown(root, ref, option)
    return Commit(ref, done.stdout.decode("ascii").strip())


def _unknown(root: Path, ref: str, option: str) -> InputError:
    if _run(root, "rev-parse", "--is-shallow-repository").stdout.strip() == b"true":
        help = "the clone is shallow: fetch the base too (`git fetch origin BRANCH`, or `fetch-depth: 0` in a workflow)"
        return input_error(f"{quoted(ref)} is not in this clone", option, help)
    known = _run(root, "for-each-ref", "--format=%(refname:short)", "--count=2000").stdout
    close = near(ref, known.decode("utf-8", "replace").split("\n"))
    help = f"did you mean {quoted(close)}?" if close else "a branch, a tag or a commit of this clone"
    return input_error(f"there is no commit {quoted(ref)}", option, help)


def merge_base(root: Path, base: Commit, head: Commit | None) -> Commit | None:
    """The commit from which head went its own way; None where the clone does not say."""
    done = _run(root, "merge-base", base.id, "HEAD" if head is None else head.id)
    return None if done.returncode else Commit(base.ref, done.stdout.decode("ascii").split()[0])


def tree(root: Path, commit: Commit | None) -> Tree:
    """The files of a commit, or of the working tree: those that git knows, and new ones that it does not ignore."""
    entries = _committed(root, commit) if commit else _working(root)
    found: dict[str, Entry] = {}
    for entry in entries:
        found[entry.path] = entry
        if len(found) > ENTRIES_MAX:
            raise input_error("too many files", str(root), f"at most {ENTRIES_MAX:,} of a tree are read")
    return Tree(root, commit, found)


def changes(base: Tree, head: Tree) -> tuple[Change, ...]:
    """The files that are not the same in two trees, by path. `base` is of a commit."""
    touched = None if head.commit else _touched(base)
    found = []
    for path in sorted(base.entries.keys() | head.entries.keys()):
        old, new = base.entries.get(path), head.entries.get(path)
        if old is None or new is None:
            found.append(Change(path, "added" if old is None else "removed"))
        elif _differs(base, head, old, new, touched):
            found.append(Change(path, "changed"))
    return tuple(found)


def _differs(base: Tree, head: Tree, old: Entry, new: Entry, touched: frozenset[str] | None) -> bool:
    if old.kind != new.kind:
        return True
    if touched is None:
        return old.blob != new.blob
    if old.path not in touched or old.kind == "other":
        return False
    return _contents(base, [old]) != _contents(head, [new])


def _touched(base: Tree) -> frozenset[str]:
    """Paths of the working tree that may not be as a commit has them. Git goes by times and sizes; a file that is as
    new as the index it reads, which is why filters are taken out: they are programs."""
    assert base.commit is not None
    words = ("--raw", "-z", "--no-renames", "--ignore-submodules=all", base.commit.id)
    done = _asked(base.root, "diff-index", *words, settings=_without_filters(base.root))
    return frozenset(os.fsdecode(path) for path in done.split(b"\0")[1::2])


def _without_filters(root: Path) -> dict[str, str]:
    """Settings that take out every filter that git is told of."""
    names = _run(root, "config", "-z", "--name-only", "--get-regexp", r"^filter\.").stdout.split(b"\0")
    filters = {os.fsdecode(name.rpartition(b".")[0]) for name in names if name}
    return {f"{one}.{what}": "" for one in sorted(filters) for what in ("clean", "smudge", "process")} | {
        f"{one}.required": "false" for one in filters
    }


def _committed(root: Path, commit: Commit) -> Iterator[Entry]:
    kinds: dict[bytes, Literal["file", "link"]] = {b"100644": "file", b"100755": "file", b"120000": "link"}
    for line in _asked(root, "ls-tree", "-r", "-z", "--full-tree", commit.id).split(b"\0"):
        if line:
            what, _, path = line.partition(b"\t")
            mode, _, blob = what.split(b" ")
            yield Entry(os.fsdecode(path), kinds.get(mode, "other"), blob.decode("ascii"))


def _working(root: Path) -> Iterator[Entry]:
    listed = _asked(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split(b"\0")
    for path in sorted({os.fsdecode(name) for name in listed if name}):
        try:
            mode = (root / _inside(path, "the working tree")).lstat().st_mode
        except OSError:  # removed, and not committed yet
            continue
        yield Entry(path, "file" if stat.S_ISREG(mode) else "link" if stat.S_ISLNK(mode) else "other")


# --- contents ---------------------------------------------------------------------------------------------------------


def _contents(source: Tree, entries: Sequence[Entry]) -> dict[str, bytes]:
    """What files hold, by path; of a link, the path that it leads to."""
    left = BYTES_MAX
    found: dict[str, bytes] = {}
    pairs = _blobs(source, entries) if source.commit else _files(source.root, entries)
    for path, data in pairs:
        left -= len(data)
        if left < 0:
            raise input_error("the files are too large", source.name, f"at most {BYTES_MAX:,} bytes are read")
        found[path] = data
    return found


def _files(root: Path, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    for entry in entries:
        file = root / entry.path
        try:
            if entry.kind == "link":
                yield entry.path, os.fsencode(file.readlink())
                continue
            if not file.parent.resolve().is_relative_to(root.resolve()):
                raise input_error(f"{quoted(entry.path)} leaves the repository", "the working tree")
            if file.stat().st_size > BYTES_MAX:
                raise input_error("the file is too large", entry.path, f"at most {BYTES_MAX:,} bytes are read")
            with os.fdopen(os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb") as stream:
                yield entry.path, stream.read(BYTES_MAX + 1)
        except OSError as error:
            raise input_error(f"cannot be read: {error.strerror}", entry.path) from None


def _blobs(source: Tree, entries: Sequence[Entry]) -> Iterator[tuple[str, bytes]]:
    """Contents of blobs, by one process of git, which tells the size of each before it is read."""
    for first in range(0, len(entries), 500):
        some = entries[first : first + 500]
        asked = "".join(f"{entry.blob}\n" for entry in some).encode("ascii")
        sizes = _asked(source.root, "cat-file", "--batch-check=%(objecttype) %(objectsize)", stdin=asked).split(b"\n")
        for entry, line in zip(some, sizes, strict=False):
            if not line.startswith(b"blob "):
                help = "the clone is partial: fetch it whole"
                raise input_error("is not in this clone", entry.path, help)
        if sum(int(line.split()[1]) for line in sizes if line) > BYTES_MAX:
            raise input_error("the files are too large", source.name, f"at most {BYTES_MAX:,} bytes are read")
        data = memoryview(_asked(source.root, "cat-file", "--batch", stdin=asked))
        for entry, line in zip(some, sizes, strict=False):
            size = int(line.split()[1])
            begin = len(entry.blob) + len(line) + 2  # `ID blob SIZE`, a blank and a line break
            yield entry.path, bytes(data[begin : begin + size])
            data = data[begin + size + 1 :]


def _inside(path: str, name: str) -> PurePosixPath:
    """A path of a tree that stays below where it is written. Raises InputError: a tree can be made to hold others."""
    parts = path.split("/")
    if path.startswith("/") or any(part in ("", ".", "..") or "\\" in part or "\0" in part for part in parts):
        raise input_error(f"{quoted(path)} is not a path in a folder", name)
    return PurePosixPath(path)


# --- git --------------------------------------------------------------------------------------------------------------


def _asked(root: Path, *arguments: str, stdin: bytes = b"", settings: Mapping[str, str] | None = None) -> bytes:
    """What git answers. Raises InputError with its first line where it cannot."""
    done = _run(root, *arguments, stdin=stdin, settings=settings)
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise input_error(
            f"git cannot read the repository: {quoted(said[0] if said else 'no reason given')}", str(root)
        )
    return done.stdout


def _run(
    root: Path, *arguments: str, stdin: bytes = b"", settings: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[bytes]:
    git = shutil.which("git")
    if git is None:
        raise input_error("there is no `git`", "git", "install git, or put it on the PATH")
    safe = [word for setting in _SAFE for word in ("-c", setting)]
    command = [git, "--no-pager", "--literal-pathspecs", "--no-replace-objects", *safe, *arguments]
    environment = _environment(settings or {})
    try:
        return subprocess.run(  # noqa: S603 - git by its path, and words that no shell reads
            command, cwd=root, input=stdin, capture_output=True, timeout=_SECONDS_MAX, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        raise input_error(f"git did not answer within {_SECONDS_MAX} s", str(root)) from None
    except OSError as error:
        raise input_error(f"git cannot be run: {error.strerror}", str(root)) from None


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment without what steers git from outside, such as `GIT_DIR` in a hook; with these settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for place, (key, value) in enumerate(settings.items()):
        own |= {f"GIT_CONFIG_KEY_{place}": key, f"GIT_CONFIG_VALUE_{place}": value}
    return own | {
        "GIT_CONFIG_COUNT": str(len(settings)),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "LC_ALL": "C",
    }
