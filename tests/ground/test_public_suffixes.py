"""The Public Suffix List: its test cases, its algorithm, and how our copy is created and read."""

import gzip
import logging
import runpy
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_tools import public_suffixes as module
from target_tools.public_suffixes import MAX_LABELS, PublicSuffixes, public_suffixes, split_host

DATA = Path(module.__file__).with_name(module.DATA_FILE)
CASES = Path(__file__).with_name("public_suffix_cases.txt")
#: The test cases for the list's implicit rule "*". We do not apply it: a name that is not listed has no suffix.
BY_THE_IMPLICIT_RULE = {"example.example", "b.example.example", "a.b.example.example"}

SMALL_LIST = """\
// ===BEGIN ICANN DOMAINS===
com   // text after a space is not part of the rule

*.ck
!www.ck
срб
ак.срб
// ===BEGIN PRIVATE DOMAINS===
github.io
"""


@pytest.fixture(scope="module")
def script(root):
    """Return the globals of the script that creates the copy."""
    return runpy.run_path(str(root / "scripts" / "make_public_suffixes.py"))


def blocks():
    """Return the parts of the copy: header, suffixes, wildcards and exceptions."""
    heading, *names = gzip.decompress(DATA.read_bytes()).decode("utf-8").split("\n\n")
    return heading, [block.split("\n") for block in names]


def cases():
    lines = CASES.read_text(encoding="utf-8").splitlines()
    return [line.split() for line in lines if not line.startswith("#")]


def registrable(host):
    """Return the domain in the form of the list's test cases: "-" if the host has none."""
    _, domain, suffix = split_host(host)
    return domain if suffix and domain != suffix else "-"


@pytest.mark.parametrize(("host", "domain"), cases())
def test_the_test_cases_of_the_list_pass(host, domain):
    if host in BY_THE_IMPLICIT_RULE:
        assert domain == "example.example"
        assert split_host(host) == ("", host, "")
    else:
        assert registrable(host.lower()) == domain


def test_there_are_many_test_cases_including_those_of_the_implicit_rule():
    assert len(cases()) > 70
    assert {host for host, _ in cases()} > BY_THE_IMPLICIT_RULE


def labels_of_suffix(host):
    """Return the number of labels in the suffix, found with the list's published algorithm."""
    _, (suffixes, wildcards, exceptions) = blocks()
    labels = host.split(".")

    def longest_match(rules):
        matches = [rule for rule in rules if labels[-rule.count(".") - 1 :] == rule.split(".")]
        return max((rule.count(".") + 1 for rule in matches), default=0)

    if longest_match(exceptions):
        return longest_match(exceptions) - 1
    below = [rule.count(".") + 2 for rule in wildcards if host.endswith("." + rule)]
    return max([longest_match(suffixes), *below])


def hosts_below_rules():
    _, names = blocks()
    rules = st.sampled_from([name for block in names for name in block])
    return st.tuples(st.lists(st.sampled_from(["a", "www", "city", "com", "公司"]), max_size=3), rules)


@pytest.mark.slow
@given(hosts_below_rules())
def test_suffixes_match_the_published_algorithm(labels_and_rule):
    host = ".".join([*labels_and_rule[0], labels_and_rule[1]])
    suffix = public_suffixes().suffix_of(host)
    assert suffix == ".".join(host.split(".")[len(host.split(".")) - labels_of_suffix(host) :])


def test_all_rules_are_found():
    _, (suffixes, wildcards, exceptions) = blocks()
    suffix_of = public_suffixes().suffix_of
    # An exception or a wildcard that also matches a listed suffix must not shorten it.
    assert [name for name in suffixes if suffix_of(name) != name] == []
    assert [name for name in wildcards if suffix_of("x." + name) != "x." + name] == []
    assert [name for name in exceptions if suffix_of(name) != name.partition(".")[2]] == []


def test_no_rule_has_more_labels_than_are_checked():
    _, names = blocks()
    assert max(name.count(".") + 2 for block in names for name in block) <= MAX_LABELS


def test_both_sections_of_the_list_are_used():
    suffix_of = public_suffixes().suffix_of
    assert suffix_of("hooli.co.uk") == "co.uk"
    assert suffix_of("hooli.github.io") == "github.io"
    assert suffix_of("hooli.blogspot.example") == ""


@pytest.mark.parametrize("host", ["", ".", ".com", "a..com", "x." * 126 + "com", "a\u2025com", "shop.intranet"])
def test_an_invalid_host_name_has_no_suffix(host):
    assert public_suffixes().suffix_of(host) == ""


def test_a_name_of_253_characters_is_valid():
    assert public_suffixes().suffix_of("x." * 125 + "com") == "com"


@given(st.text())
def test_the_suffix_of_any_text_is_at_its_end(text):
    assert text.endswith(public_suffixes().suffix_of(text))


# The copy


def test_the_copy_names_its_license_its_version_and_its_source(root):
    heading, _ = blocks()
    assert "Mozilla Public\n// License, v. 2.0" in heading
    version = heading.split("VERSION: ")[1].split()[0]
    notice = DATA.with_name("public_suffixes.NOTICE.txt").read_text(encoding="utf-8")
    assert f"version {version}," in notice
    assert "https://publicsuffix.org/list/public_suffix_list.dat" in notice
    assert "https://mozilla.org/MPL/2.0/" in notice


def test_the_script_creates_rules_from_a_list(script):
    assert script["rules_of"](SMALL_LIST) == (
        ["ck", "com", "github.io", "xn--90a3ac", "xn--80au.xn--90a3ac", "ак.xn--90a3ac",
         "срб", "xn--80au.срб", "ак.срб"],
        ["ck"],
        ["www.ck"],
    )  # fmt: skip


def test_the_output_of_the_script_can_be_read(script):
    copy = script["packed"]("// a heading", script["rules_of"](SMALL_LIST))
    small = PublicSuffixes(gzip.decompress(copy).decode("utf-8"))
    found = [small.suffix_of(host) for host in ("a.b.com", "b.ck", "www.ck", "x.xn--80au.срб", "a.github.io", "b.org")]
    assert found == ["com", "b.ck", "ck", "xn--80au.срб", "github.io", ""]
    assert copy == script["packed"]("// a heading", script["rules_of"](SMALL_LIST))


def test_the_script_creates_cases_from_the_checks_of_the_list(script):
    text = "// a.b\ncheckPublicSuffix(null, null);\ncheckPublicSuffix('COM', null);\ncheckPublicSuffix('a.b', 'c.d');\n"
    assert list(script["cases_of"](text)) == ["COM -", "a.b c.d"]


# Reading the copy


def test_the_list_is_read_once():
    assert public_suffixes() is public_suffixes()


def test_threads_that_load_the_list_at_the_same_time_all_get_it():
    public_suffixes.cache_clear()
    meeting = threading.Barrier(8)
    found = []

    def load():
        meeting.wait(10)
        found.append(public_suffixes().suffix_of("hooli.co.uk"))

    threads = [threading.Thread(target=load) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert found == ["co.uk"] * 8


@pytest.fixture
def set_file(monkeypatch):
    """Return a function that sets the outcome of reading the file, and lets the list be loaded again."""

    def set_outcome(outcome):
        def get_data(package, resource):
            assert (package, resource) == ("target_tools", module.DATA_FILE)
            if isinstance(outcome, BaseException):
                raise outcome
            return outcome

        monkeypatch.setattr(module.pkgutil, "get_data", get_data)
        public_suffixes.cache_clear()

    yield set_outcome
    public_suffixes.cache_clear()


@pytest.mark.parametrize("missing", [None, FileNotFoundError(2, "no such file"), OSError(0, "", "in a zip")], ids=repr)
def test_without_its_file_the_list_is_empty_and_one_warning_is_logged(set_file, caplog, missing):
    set_file(missing)
    assert split_host("www.hooli.com") == split_host("www.hooli.com") == ("", "www.hooli.com", "")
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("adobe.target", logging.WARNING)
    assert "public_suffixes.txt.gz is missing" in record.getMessage()


@pytest.mark.parametrize("error", [OSError(24, "too many files"), TimeoutError("from a signal"), KeyboardInterrupt()])
def test_another_error_is_raised_and_the_next_call_tries_again(set_file, monkeypatch, error):
    set_file(error)
    with pytest.raises(type(error)):
        public_suffixes()
    monkeypatch.undo()
    assert public_suffixes().suffix_of("hooli.com") == "com"


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from target_tools import page_url
assert page_url.__file__.startswith(sys.argv[1]), page_url.__file__
print(page_url.PageUrl("http://blog.hooli.co.uk/").domain)
"""


@pytest.mark.server
@pytest.mark.parametrize(("missing_file", "domain"), [("", "hooli.co.uk"), (module.DATA_FILE, "blog.hooli.co.uk")])
def test_the_list_can_be_read_from_a_zip_archive(root, tmp_path, missing_file, domain):
    archive = tmp_path / "packages.zip"
    with zipfile.ZipFile(str(archive), "w") as packed:
        for path in sorted((root / "target_tools").iterdir()):
            if path.is_file() and path.name != missing_file:
                packed.write(str(path), "target_tools/" + path.name)
    command = [sys.executable, "-I", "-W", "error", "-c", PROGRAM, str(archive)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.returncode) == (domain + "\n", 0), done.stderr
    assert ("is missing from this installation" in done.stderr) == bool(missing_file)
