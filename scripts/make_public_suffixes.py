"""Create target_tools' copy of the Public Suffix List, and the table of test cases::

    python -m pip install publicsuffixlist
    python scripts/make_public_suffixes.py

The source is the installed PyPI package ``publicsuffixlist``. Each of its releases contains the
current list, and the list's own test cases. The script writes three files:

* ``target_tools/public_suffixes.txt.gz``: the rules, in three blocks below a heading
* ``target_tools/public_suffixes.NOTICE.txt``: their authors, license and version
* ``tests/ground/public_suffix_cases.txt``: hosts and their registrable domains
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
// Blocks: suffixes; suffixes whose every child is a suffix, too; exceptions to that."""

NOTICE = """\
public_suffixes.txt.gz holds the rules of the Public Suffix List (https://publicsuffix.org/),
version {version}, commit {commit},
from {package} {release} on PyPI.

The list is written by its contributors and is subject to the terms of the Mozilla Public License,
v. 2.0, which is at https://mozilla.org/MPL/2.0/. The original list is at
https://publicsuffix.org/list/public_suffix_list.dat.

Changes: comments are removed, rules are sorted into three blocks, and non-ASCII names
are also written in Punycode. `scripts/make_public_suffixes.py` in the source of this package
makes these changes. The rest of this package has a different license; see LICENSE.
"""

CASES_HEADING = """\
# Hosts and their registrable domains ("-": none), from the Public Suffix List's own test cases,
# which are dedicated to the public domain (https://creativecommons.org/publicdomain/zero/1.0/).
# Written by scripts/make_public_suffixes.py from {package} {release}.
"""


class Rules(NamedTuple):
    """The list, divided into its three kinds of rules."""

    suffixes: List[str]
    wildcards: List[str]
    exceptions: List[str]


def rules_of(text: str) -> Rules:
    """Parse a list in its published form. Returns the rules of both sections, without ``*.`` and ``!``."""
    lines = [line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("//")]
    wildcards = [line[2:] for line in lines if line.startswith("*.")]
    exceptions = [line[1:] for line in lines if line.startswith("!")]
    suffixes = [line for line in lines if line[0] not in "*!"]
    # By the list's implicit rule "*", a top-level domain is a suffix even if the list has only a wildcard below it.
    suffixes += [name for name in wildcards if "." not in name]
    return Rules(*(_in_every_spelling(names) for names in (suffixes, wildcards, exceptions)))


def _in_every_spelling(names: Iterable[str]) -> List[str]:
    """Return the names with each non-ASCII label both as it is and in Punycode, sorted by the last label first."""
    found = {".".join(labels) for name in names for labels in itertools.product(*map(_spellings, name.split(".")))}
    return sorted(found, key=lambda name: name.split(".")[::-1])


def _spellings(label: str) -> Tuple[str, ...]:
    if label.isascii():
        return (label,)
    # The labels in the list are already normalized and in lower case.
    return label, "xn--" + label.encode("punycode").decode("ascii")


def packed(heading: str, rules: Rules) -> bytes:
    """Return the data file. Equal rules give equal bytes."""
    blocks = [heading] + ["\n".join(names) for names in rules]
    return gzip.compress("\n\n".join(blocks).encode("utf-8"), compresslevel=9, mtime=0)


def cases_of(text: str) -> Iterator[str]:
    """Yield a line "host domain" for each check in the list's test cases."""
    for host, domain in re.findall(r"^checkPublicSuffix\('(.*?)', (?:'(.*?)'|null)\);", text, re.M):
        yield f"{host} {domain or '-'}"


def heading_value(label: str, text: str) -> str:
    """Return a value in the heading of the list, such as its version."""
    found = re.search(rf"^// {label}: (\S+)$", text, re.M)
    return found.group(1) if found else "unknown"


def main() -> None:
    """Write the three files."""
    distribution = importlib.metadata.distribution(PACKAGE)
    folder = Path(str(distribution.locate_file(PACKAGE)))
    text = (folder / "public_suffix_list.dat").read_text(encoding="utf-8")
    cases = (folder / "test_psl.txt").read_text(encoding="utf-8")
    named = {"version": heading_value("VERSION", text), "commit": heading_value("COMMIT", text)}
    named.update(package=PACKAGE, release=distribution.version)
    rules = rules_of(text)

    target = ROOT / "target_tools"
    (target / "public_suffixes.txt.gz").write_bytes(packed(HEADING.format(**named), rules))
    (target / "public_suffixes.NOTICE.txt").write_text(NOTICE.format(**named), encoding="utf-8")
    table = CASES_HEADING.format(**named) + "\n".join(cases_of(cases)) + "\n"
    (ROOT / "tests" / "ground" / "public_suffix_cases.txt").write_text(table, encoding="utf-8")
    sys.stdout.write("{package} {release}: the list of {version}, commit {commit}\n".format(**named))
    suffixes, wildcards, exceptions = map(len, rules)
    sys.stdout.write(f"{suffixes} suffixes, {wildcards} wildcards, {exceptions} exceptions\n")


if __name__ == "__main__":
    main()
