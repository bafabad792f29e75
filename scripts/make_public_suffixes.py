"""Makes target_tools' copy of the Public Suffix List, and the table of cases that its tests use.

    python -m pip install publicsuffixlist
    python scripts/make_public_suffixes.py

Both come from the installed PyPI package ``publicsuffixlist``, a release of which carries the
list of its day and the list's own test cases.  Three files are written:

    target_tools/public_suffixes.txt.gz       the rules, in three blocks below a heading
    target_tools/public_suffixes.NOTICE.txt   whose they are, and which version
    tests/ground/public_suffix_cases.txt      hosts and their registrable domains
"""

import gzip
import importlib.metadata
import itertools
import re
import sys
from pathlib import Path
from typing import Iterable, Iterator, List, NamedTuple, Tuple

PACKAGE = "publicsuffixlist"
ROOT = Path(__file__).resolve().parent.parent

HEADING = """\
// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.
// The Public Suffix List, rearranged. VERSION: {version} COMMIT: {commit}
// Blocks: suffixes; those whose every child is one too; exceptions to that."""

NOTICE = """\
public_suffixes.txt.gz holds the rules of the Public Suffix List (https://publicsuffix.org/),
version {version}, commit {commit},
as {package} {release} on PyPI carries it.

The list is made by its contributors and is subject to the terms of the Mozilla Public License,
v. 2.0, which is at https://mozilla.org/MPL/2.0/. The list as its authors write it is at
https://publicsuffix.org/list/public_suffix_list.dat.

What was changed: comments are left out, rules are sorted into three blocks, names beyond ASCII
are written in Punycode as well. `scripts/make_public_suffixes.py` in the source of this package
does it. The rest of this package has a license of its own, which stands in LICENSE.
"""

CASES_HEADING = """\
# Hosts and their registrable domains ("-": none), from the Public Suffix List's own test cases,
# which are dedicated to the public domain (https://creativecommons.org/publicdomain/zero/1.0/).
# Written by scripts/make_public_suffixes.py from {package} {release}.
"""


class Rules(NamedTuple):
    """The list in the three kinds that its rules have."""

    suffixes: List[str]
    wildcards: List[str]
    exceptions: List[str]


def rules_of(text: str) -> Rules:
    """The rules in a list as its authors write it; both sections, without ``*.`` and ``!``."""
    lines = [line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("//")]
    wildcards = [line[2:] for line in lines if line.startswith("*.")]
    exceptions = [line[1:] for line in lines if line.startswith("!")]
    suffixes = [line for line in lines if line[0] not in "*!"]
    # A top-level domain that is named by its children only is one nevertheless: the list's rule "*" says so.
    suffixes += [name for name in wildcards if "." not in name]
    return Rules(*(_in_every_spelling(names) for names in (suffixes, wildcards, exceptions)))


def _in_every_spelling(names: Iterable[str]) -> List[str]:
    """Each name, and with each label beyond ASCII in Punycode; sorted from the last label on."""
    found = {".".join(labels) for name in names for labels in itertools.product(*map(_spellings, name.split(".")))}
    return sorted(found, key=lambda name: name.split(".")[::-1])


def _spellings(label: str) -> Tuple[str, ...]:
    if label.isascii():
        return (label,)
    # The list has such labels normalized and in lower case already: nothing is left to map.
    return label, "xn--" + label.encode("punycode").decode("ascii")


def packed(heading: str, rules: Rules) -> bytes:
    """The data file; the same bytes each time."""
    blocks = [heading] + ["\n".join(names) for names in rules]
    return gzip.compress("\n\n".join(blocks).encode("utf-8"), compresslevel=9, mtime=0)


def cases_of(text: str) -> Iterator[str]:
    """A line "host domain" for each check of the list's test cases."""
    for host, domain in re.findall(r"^checkPublicSuffix\('(.*?)', (?:'(.*?)'|null)\);", text, re.M):
        yield "{} {}".format(host, domain or "-")


def said(label: str, text: str) -> str:
    """What the list's heading says of itself."""
    found = re.search(r"^// {}: (\S+)$".format(label), text, re.M)
    return found.group(1) if found else "unknown"


def main() -> None:
    """Write the three files."""
    distribution = importlib.metadata.distribution(PACKAGE)
    folder = Path(str(distribution.locate_file(PACKAGE)))
    text = (folder / "public_suffix_list.dat").read_text(encoding="utf-8")
    cases = (folder / "test_psl.txt").read_text(encoding="utf-8")
    named = {"version": said("VERSION", text), "commit": said("COMMIT", text)}
    named.update(package=PACKAGE, release=distribution.version)
    rules = rules_of(text)

    target = ROOT / "target_tools"
    (target / "public_suffixes.txt.gz").write_bytes(packed(HEADING.format(**named), rules))
    (target / "public_suffixes.NOTICE.txt").write_text(NOTICE.format(**named), encoding="utf-8")
    table = CASES_HEADING.format(**named) + "\n".join(cases_of(cases)) + "\n"
    (ROOT / "tests" / "ground" / "public_suffix_cases.txt").write_text(table, encoding="utf-8")
    sys.stdout.write("{package} {release}: the list of {version}, commit {commit}\n".format(**named))
    sys.stdout.write("{} suffixes, {} wildcards, {} exceptions\n".format(*map(len, rules)))


if __name__ == "__main__":
    main()
