"""The pages: commands print what is said, manifests make sense, the reference is fresh, links lead on."""

import ast
import re
from pathlib import Path

import pytest
import yaml

from aifactory.api import names
from aifactory.api.factory import AIFactorySpec
from aifactory.cli.admission import admit
from docs import generate, reasons
from documents import ROOT, STARTS, Block, anchors, blocks, links, pages

PAGES = pages()
DOCS = ROOT / "docs"
# The pages whose commands and manifests are tested: the benchmarks say themselves how they were made.
OURS = [
    page
    for page in PAGES
    if page.parent == ROOT or (page.is_relative_to(DOCS) and "benchmarks" not in page.parts)
]
BLOCKS = [block for page in OURS for block in blocks(page)]
COMMANDS = [block for block in BLOCKS if block.language == "sh"]
READERS = (ROOT / "README.md", DOCS / "tutorial.md")


def by_page(commands: list[Block]) -> dict[Path, list[Block]]:
    found: dict[Path, list[Block]] = {}
    for block in commands:
        found.setdefault(block.page, []).append(block)
    return found


# Pages with commands that no test runs, and what those need.
NOT_RUN = {
    "CONTRIBUTING": "the tests themselves",
    "clusters-for-tests": "a cluster that somebody has",
    "install": "an image in a registry",
    "plan-without-a-cluster": "a cluster, for what the next command does without",
    "upgrade-and-replicas": "an image in a registry",
}


# A page whose commands need no cluster is run here, all others in tests/cluster/test_tutorial.py.
ON_PAPER = {
    page: commands
    for page, commands in by_page(COMMANDS).items()
    if not any("kubectl" in block.text for block in commands)
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's clone, in which a page may leave files."""
    for name in ("docs", "manifests"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


@pytest.mark.long
@pytest.mark.parametrize("page", ON_PAPER, ids=lambda page: page.stem)
def test_commands_that_need_no_cluster_print_what_the_page_says(page: Path, folder: Path) -> None:
    for block in ON_PAPER[page]:
        block.compare(block.run(folder, {}))


def test_every_command_of_the_tutorial_that_plans_from_files_prints_what_it_says(folder: Path) -> None:
    plans = [b for page in READERS for b in blocks(page) if b.text.startswith("aifactory plan -f docs")]
    assert plans
    for block in plans:
        block.compare(block.run(folder, {}))


def test_every_page_with_commands_is_run_by_a_test() -> None:
    on_a_cluster = (ROOT / "tests" / "cluster" / "test_tutorial.py").read_text(encoding="utf-8")
    for page in by_page(COMMANDS):
        assert page in ON_PAPER or page in READERS or f'"{page.stem}"' in on_a_cluster, page


def test_what_is_not_run_needs_what_no_test_has() -> None:
    blocks = [block for block in BLOCKS if block.language == "bash"]
    left = [b for b in blocks if b.text.strip() not in STARTS and not b.text.startswith("export PATH=")]
    assert {block.page.stem for block in left} == NOT_RUN.keys()


def test_a_page_that_installs_something_installs_all_policies() -> None:
    installing = [
        b for b in BLOCKS if b.language in ("sh", "bash") and "kubectl apply --server-side" in b.text
    ]
    assert installing
    for block in installing:
        assert re.search(r"-k (\.|manifests/overlays/\w+)(\s|$)", block.text), (
            f"{block}: a whole overlay has them"
        )


def test_a_promised_output_is_missed_where_it_is_not() -> None:
    block = Block(ROOT / "README.md", 1, "sh", "", "one  2m3s\n...\nthree ... five\n")
    assert block.lacks("zero\none 7s\ntwo\nthree four five\n") == []
    assert block.lacks("three four five\none 7s\n") == ["three ... five"]
    assert block.lacks("one\n") == ["one AGE", "three ... five"]


def test_an_output_that_differs_is_renewed_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One\n\n```sh\necho 2\n```\n\nIt prints:\n\n```text\n1\n```\n\nThe end.\n")
    (block, _) = blocks(page)
    monkeypatch.setenv("RENEW_PAGES", "1")
    block.compare(block.run(tmp_path, {}))
    assert page.read_text() == "# One\n\n```sh\necho 2\n```\n\nIt prints:\n\n```text\n2\n```\n\nThe end.\n"
    monkeypatch.delenv("RENEW_PAGES")
    (block, _) = blocks(page)
    block.compare("2\n")


def test_a_command_that_fails_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="exit code 1"):
        Block(ROOT / "README.md", 1, "sh", "false | true\n", "").run(tmp_path, {})


# Manifests


def manifests() -> list[tuple[str, dict[str, object]]]:
    found = []
    for block in BLOCKS:
        inline = re.findall(r"<<'EOF'\n(.*?)^EOF", block.text, re.MULTILINE | re.DOTALL)
        for text in [block.text] if block.language == "yaml" else inline:
            found += [(str(block), obj) for obj in yaml.safe_load_all(text)]
    return found


@pytest.mark.parametrize(("place", "obj"), manifests(), ids=lambda it: it if isinstance(it, str) else "")
def test_a_manifest_in_a_page_makes_sense(place: str, obj: dict[str, object]) -> None:
    match obj.get("kind"):
        case "AIFactory" | "GPUPool":
            assert admit(obj).problems == ()
        case "Kustomization":
            pass
        case _ if obj.keys() <= {*AIFactorySpec.model_json_schema()["properties"]}:
            pass
        case _:
            # Of a pod, a node, or a chart for one.
            assert f"'key': '{names.TAINT_TENANT}'" in str(obj), place


def test_parts_of_a_factory_in_a_page_make_sense() -> None:
    """The page that describes a site shows its spec part by part."""
    spec: dict[str, dict[str, object]] = {"power": {}, "backend": {"kwok": {}}}
    for block in blocks(DOCS / "how-to" / "describe-a-site.md"):
        if block.language == "yaml":
            part = yaml.safe_load(block.text)
            spec["power"] |= part.pop("power", {})
            spec |= part
    site = {"apiVersion": names.API_VERSION, "kind": "AIFactory", "metadata": {"name": "site"}, "spec": spec}
    assert admit(site).problems == ()


def test_the_tutorial_shows_its_files_as_they_are() -> None:
    files = [path.read_text(encoding="utf-8") for path in (DOCS / "tutorial").glob("*.yaml")]
    shown = [block.text for block in blocks(DOCS / "tutorial.md") if block.language == "yaml"]
    assert shown
    assert set(shown) <= set(files)


# The reference


def test_the_reference_is_up_to_date() -> None:
    assert generate.main(["--check"]) == 0


def test_every_reason_is_described_and_none_is_made_up() -> None:
    used = {word for file in (ROOT / "operator/aifactory/decide").rglob("*.py") for word in camel_case(file)}
    types = {name for kind in reasons.TYPES.values() for name in kind}
    described = {reason.name for reason in reasons.REASONS}
    assert used - types - reasons.WORDS - described == set(), "describe these in docs/reasons.py"
    assert described - used == set(), "no code gives these any more"
    assert reasons.WORDS - used == set(), "the code has no such words any more"


def camel_case(file: Path) -> set[str]:
    """The words in a module's strings that look like a reason."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    words = {it.value for it in ast.walk(tree) if isinstance(it, ast.Constant) and isinstance(it.value, str)}
    return {word for word in words if re.fullmatch(r"([A-Z][a-z]+)+|AIFactory|GPUPool", word)}


def test_a_reason_is_described_once_for_each_kind() -> None:
    described = [(reason.kind, reason.name) for reason in reasons.REASONS]
    assert len(described) == len(set(described))
    assert {kind for kind, _ in described} == set(reasons.TYPES)


def test_every_label_and_annotation_is_described() -> None:
    keys = {
        name
        for name in vars(names)
        if name.startswith(("LABEL_", "ANNOTATION_", "TAINT_")) or name == "FINALIZER"
    }
    limits = {"LABEL_VALUE", "LABEL_VALUE_LENGTH", "LABEL_KEY_LENGTH"}
    assert set(reasons.NODE_KEYS) == keys - limits


# Links


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


def test_every_page_of_the_documentation_is_linked_from_its_index() -> None:
    index = DOCS / "README.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in links(index)}
    own = {page for page in OURS if page.is_relative_to(DOCS)}
    assert own - linked - {index} == set()


def test_a_page_names_no_place_of_one_machine() -> None:
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert not re.search(r"/(root|home/\w+|work|tmp)/", text), page
