from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
import yaml

from scfm_assets import catalog
from scfm_assets import home as homes
from scfm_assets.catalog.model import Expect
from scfm_assets.core.metrics import universes
from scfm_assets.core.scores import methods
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets.studies import discover

SMALL = """\
title: small
simulation: {n_cells: 100, n_genes: 400}
atlases:
  lung:
    file: lung.h5ad
    counts: layers/raw
  sim: {simulated: true}
models:
  mine:
    checkpoint: /models/mine
    options: {generation: v2}
    layer: 3
  planted: {control: planted}
networks:
  truth: {simulated: true}
  trrust: {file: trrust.tsv, format: trrust}
experiment:
  n_cells: [10, 20, 50]
"""


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch, tmp_path):
    for name in ("SCFM_DATA", "SCFM_CATALOG", "SCFM_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def written(text: str, name: str = "mine.yaml") -> Path:
    path = Path(name)
    path.write_text(text, encoding="utf-8")
    return path


def refused(text: str) -> ScfmError:
    with pytest.raises(ScfmError) as caught:
        catalog.load(written(text))
    return caught.value


def changed(old: str, new: str) -> str:
    assert SMALL.count(old) == 1, old
    return SMALL.replace(old, new)


# What is good


def test_what_is_registered_is_allowed_without_another_edit(monkeypatch):
    text = changed("  n_cells: [10", "  methods: [pearson, mine]\n  universes: [tf_grid, near]\n  n_cells: [10")
    error = refused(text)
    assert "mine.yaml:18: experiment.methods.1: 'mine' is not allowed" in str(error)
    assert f"Allowed: {', '.join(map(repr, methods.method_names()))}." in str(error)
    assert "mine.yaml:19: experiment.universes.1: 'near' is not allowed" in str(error)
    method, universe = replace(methods.METHODS["pearson"], name="mine"), replace(universes.TF_GRID, name="near")
    monkeypatch.setitem(methods.METHODS, "mine", method)
    monkeypatch.setattr(universes, "UNIVERSES", (*universes.UNIVERSES, universe))
    experiment = catalog.load(written(text)).experiment
    assert (experiment.methods, experiment.universes) == (("pearson", "mine"), ("tf_grid", "near"))
    assert "near" in catalog.load(written(SMALL)).experiment.universes


def test_the_demo_is_the_default_and_loads_without_any_environment():
    demo = catalog.current()
    assert demo.name == "demo"
    assert list(demo.atlases) == ["sim_lung", "sim_liver", "sim_kidney", "pbmc"]
    assert demo.simulated_tissues == ("sim_lung", "sim_liver", "sim_kidney")
    assert demo.experiment.n_cells == (25, 50, 100, 150, 200, 300, 450, 600)
    assert (demo.experiment.repeats, demo.experiment.panel) == (2, 300)
    pbmc = demo.atlases["pbmc"]
    assert (pbmc.source, pbmc.counts, pbmc.recover, pbmc.cell_type) == ("scanpy", "raw.X", "log1p_cp10k", "bulk_labels")


def test_the_simulated_world_has_the_fields_of_its_spec():
    from dataclasses import fields

    from scfm_assets.core.simulate import WorldSpec

    demo = catalog.current()
    assert demo.simulation is not None
    world = demo.simulation.world()
    assert {*world, "tissues"} == {field.name for field in fields(WorldSpec)}
    spec = WorldSpec(tissues=demo.simulated_tissues, **world)
    defaults = catalog.Simulation().world()
    assert WorldSpec(**defaults) == WorldSpec()
    assert spec.tissues == WorldSpec().tissues


def test_the_networks_fields_are_those_that_reading_a_network_knows():
    from dataclasses import fields

    from scfm_assets.core.networks.files import FIELDS, FORMATS
    from scfm_assets.core.networks.table import NetworkSpec

    declared = set(catalog.Network.model_fields)
    assert {field.name for field in fields(NetworkSpec)} - {"name", "path"} <= declared
    assert set(get_args(catalog.Network.model_fields["format"].annotation)) == {form.name for form in FORMATS}
    assert set(FIELDS) == {"tf", "target", "sign", "confidence", "tissue"}


def test_every_shipped_catalog_loads_without_the_files_it_names(monkeypatch):
    monkeypatch.setenv("SCFM_DATA", "/nowhere")
    shipped = list((homes.PACKAGE / "catalogs").glob("*.yaml"))
    real = list((Path(__file__).parents[1] / "real").glob("*.yaml"))
    assert {path.stem for path in shipped} == {
        *("demo", "local_files"), *("geneformer_v1", "geneformer_v2", "scgpt_human")
    }  # fmt: skip
    assert len(real) == 2
    for path in (*shipped, *real):
        assert catalog.load(path).path == path


def test_the_template_names_every_option():
    text = (homes.PACKAGE / "catalogs" / "local_files.yaml").read_text()
    blocks = (catalog.Catalog, catalog.Atlas, catalog.Model, Expect, catalog.Network)
    for block in (*blocks, catalog.Experiment, catalog.IntervalSettings, catalog.Simulation):
        for key in block.model_fields:
            assert re.search(rf"\b{key}:", text), f"{block.__name__}.{key}"
    for family in FAMILIES.values():
        for option in family.options:
            assert re.search(rf"\b{option.name}:", text), f"{family.name}: {option.name}"
            for word in option.choices:
                assert word in text, f"{family.name}: {option.name}: {word}"
    for form in get_args(catalog.Network.model_fields["format"].annotation):
        assert form in text


def test_the_defaults_shown_in_the_template_are_the_defaults():
    text = (homes.PACKAGE / "catalogs" / "local_files.yaml").read_text()
    shown = re.sub(r"^( *)# ", r"\1", text[text.index("experiment:") :].split("\n\n")[0], flags=re.MULTILINE)
    experiment = yaml.safe_load(shown)["experiment"]
    default = catalog.Experiment(n_cells=(1,)).model_dump(mode="json")
    for key in ("seed", "panel", "directions", "direction", "methods", "universes", "intervals"):
        assert experiment[key] == default[key], key
    shown = re.sub(r"^#( *)", r"\1", text[text.index("# studies:") :], flags=re.MULTILINE)
    studies = yaml.safe_load(shown)["studies"]
    assert studies
    for name, keys in studies.items():
        defaults = discover()[name].settings().model_dump(mode="json")
        assert keys == {key: defaults[key] for key in keys}, name
    for line in ("counts: auto", "organism: human", "duplicates: refuse", "drop_empty: false", "layers: all"):
        assert f"# {line} " in text
        key, value = line.split(": ")
        owner = catalog.Model if key == "layers" else catalog.Atlas
        assert yaml.safe_load(value) == owner.model_fields[key].default


@pytest.mark.parametrize("name", discover())
def test_settings_of_a_study_are_refused_with_file_line_and_key(name):
    error = refused(f"{SMALL}studies:\n  {name}:\n    pace: 3\n")
    assert error.place == f"mine.yaml:{len(SMALL.splitlines()) + 3}"
    assert f"studies.{name}.pace: unknown key" in error.problem
    assert all(key in str(error) for key in discover()[name].settings.model_fields)
    assert getattr(catalog.load(written(f"{SMALL}studies: {{{name}: null}}\n")).studies, name) is None
    assert getattr(catalog.load(written(SMALL)).studies, name) == discover()[name].settings()


def test_a_name_that_no_registry_of_a_study_has_is_refused_with_those_that_it_has():
    error = refused(f"{SMALL}studies:\n  synthetic_truth:\n    simulators: [linear, sergio]\n")
    assert "studies.synthetic_truth.simulators.1: 'sergio' is not allowed" in error.problem
    assert "Allowed: linear, hill, copula." in str(error)


def test_relative_paths_are_relative_to_the_catalogs_folder(tmp_path):
    (tmp_path / "deep").mkdir()
    path = written(changed("file: lung.h5ad", "file: ../atlases/lung.h5ad"), "deep/mine.yaml")
    loaded = catalog.load(path)
    assert loaded.atlases["lung"].file == tmp_path / "atlases" / "lung.h5ad"
    assert loaded.models["mine"].checkpoint == Path("/models/mine")


def test_scfm_data_expands_to_the_data_root(monkeypatch, tmp_path):
    text = changed("file: lung.h5ad", "file: ${SCFM_DATA}/a b/lung.h5ad")
    monkeypatch.setenv("SCFM_DATA", "/data root")
    assert catalog.load(written(text)).atlases["lung"].file == Path("/data root/a b/lung.h5ad")
    monkeypatch.setenv("SCFM_DATA", "below")
    assert catalog.load(written(text)).atlases["lung"].file == tmp_path / "below/a b/lung.h5ad"


def test_scfm_data_is_asked_for_only_where_it_is_needed():
    assert catalog.load(written(SMALL)).name == "mine"
    error = refused(changed("file: lung.h5ad", "file: ${SCFM_DATA}/lung.h5ad"))
    assert error.place == "mine.yaml:5"
    assert "atlases.lung.file" in error.problem
    assert "SCFM_DATA, which is not set" in error.problem
    assert "export SCFM_DATA" in str(error)


@pytest.mark.parametrize("path", ["${HOME}/lung.h5ad", "$SCFM_DATA/x", "a/${SCFM_DATA}", "${SCFM_DATA}/${SCFM_DATA}"])
def test_other_variables_are_refused(path, monkeypatch):
    monkeypatch.setenv("SCFM_DATA", "/data")
    error = refused(changed("file: lung.h5ad", f"file: {path}"))
    assert path in error.problem


def test_the_digest_is_of_what_is_declared_not_of_how_it_is_written(monkeypatch):
    one = catalog.load(written(SMALL)).digest
    lines = ["# a comment", *SMALL.splitlines()]
    assert catalog.load(written("\n".join(lines))).digest == one
    reordered = SMALL.replace("title: small\n", "") + "title: small\n"
    assert catalog.load(written(reordered)).digest == one
    assert catalog.load(written(changed("[10, 20, 50]", "[10, 20, 60]"))).digest != one
    text = changed("file: lung.h5ad", "file: ${SCFM_DATA}/lung.h5ad")
    digests = set()
    for root in ("/here", "/there"):
        monkeypatch.setenv("SCFM_DATA", root)
        digests.add(catalog.load(written(text)).digest)
    assert len(digests) == 1


def test_merge_keys_share_options_between_models():
    text = """\
atlases: {a: {file: a.h5ad}}
models:
  one: &one
    checkpoint: one
    options: &options {generation: v1}
    layer: 4
  two: {<<: *one, checkpoint: two}
  three: {checkpoint: three, options: *options, layer: 2}
experiment: {n_cells: [5]}
"""
    models = catalog.load(written(text)).models
    assert [m.checkpoint.name for m in models.values() if m.checkpoint] == ["one", "two", "three"]
    assert [m.layer for m in models.values()] == [4, 4, 2]
    assert {m.options["generation"] for m in models.values()} == {"v1"}


def test_simulated_genes_are_of_an_organism_of_their_own():
    loaded = catalog.load(written(SMALL))
    assert {name: entry.organism for name, entry in loaded.atlases.items()} == {"lung": "human", "sim": "simulated"}
    assert {name: entry.organism for name, entry in loaded.networks.items()} == {
        "truth": "simulated",
        "trrust": "human",
    }


def test_a_catalog_cannot_be_changed_after_it_was_loaded():
    loaded = catalog.load(written(SMALL))
    with pytest.raises(ValueError, match="frozen"):
        loaded.experiment.seed = 3


# Where it is found


def test_a_name_is_looked_up_in_the_home_first_then_among_the_shipped(monkeypatch, tmp_path):
    monkeypatch.setenv("SCFM_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("SCFM_CATALOG", "mine")
    with pytest.raises(ScfmError, match=r"there is no catalog of this name\nKnown: .*demo"):
        catalog.current()
    (tmp_path / "home" / "catalogs").mkdir(parents=True)
    written(SMALL, "home/catalogs/mine.yaml")
    assert catalog.current().path == tmp_path / "home" / "catalogs" / "mine.yaml"
    assert catalog.load("demo").name == "demo"


def test_paths_of_a_shipped_catalog_mean_what_they_would_in_the_home(monkeypatch, tmp_path):
    monkeypatch.setenv("SCFM_HOME", str(tmp_path))
    for shipped in ("local_files", homes.PACKAGE / "catalogs" / "local_files.yaml"):
        lung = catalog.load(shipped).atlases["lung"]
        assert str(lung.file) == str(tmp_path / "atlases" / "lung.h5ad")
    monkeypatch.setenv("SCFM_CATALOG", "local_files")
    assert catalog.current().atlases["lung"].file == lung.file
    monkeypatch.setenv("SCFM_HOME", str(tmp_path / "other"))
    assert catalog.current().atlases["lung"].file == tmp_path / "other" / "atlases" / "lung.h5ad"


def test_a_path_chooses_a_file_anywhere(monkeypatch, tmp_path):
    (tmp_path / "sub").mkdir()
    written(SMALL, "sub/mine.yaml")
    monkeypatch.setenv("SCFM_CATALOG", "sub/mine.yaml")
    assert catalog.current().path == tmp_path / "sub" / "mine.yaml"
    monkeypatch.setenv("SCFM_CATALOG", "sub/other.yaml")
    with pytest.raises(ScfmError, match=r"sub/other\.yaml: there is no such catalog file"):
        catalog.current()


def test_the_current_catalog_is_read_again_only_when_its_file_changes(monkeypatch):
    monkeypatch.setenv("SCFM_CATALOG", "mine.yaml")
    path = written(SMALL, "./mine.yaml")
    first = catalog.current()
    assert catalog.current() is first
    path.write_text(changed("title: small", "title: large"))
    os.utime(path, ns=(1, 1))
    assert catalog.current().title == "large"


def test_the_home_is_the_data_folder_of_the_checkout_unless_it_is_chosen(monkeypatch, tmp_path):
    root = homes.project()
    assert homes.home() == (root or tmp_path) / "data"
    monkeypatch.setattr(homes, "project", lambda: None)
    assert homes.home() == tmp_path / "data"
    monkeypatch.setenv("SCFM_HOME", "elsewhere")
    assert homes.home() == tmp_path / "elsewhere"


# What is wrong


@pytest.mark.parametrize("name", ["a|b", "a/b", "..", "a'b", 'a"b', "a b", "", "1a", "_a", "a" * 64, "näh", "a\n"])
@pytest.mark.parametrize("block", ["atlases", "models", "networks"])
def test_names_that_cannot_be_folders_are_refused_with_their_line(name, block):
    entry = {"atlases": "{file: a.h5ad}", "models": "{control: random}", "networks": "{file: a.tsv}"}[block]
    error = refused(SMALL.replace(f"{block}:\n", f"{block}:\n  {json.dumps(name)}: {entry}\n"))
    assert error.problem == f"{block}.{name}: {name!r} cannot be a name"
    assert "letters, digits, '_' and '-'" in (error.remedy or "")
    assert error.place == f"mine.yaml:{SMALL.splitlines().index(f'{block}:') + 2}"


def test_the_catalogs_own_name_obeys_the_same_rule():
    assert "'a b' cannot be a name" in str(refused("name: a b\n" + SMALL))
    with pytest.raises(ScfmError, match="'my catalog' cannot be a name"):
        catalog.load(written(SMALL, "my catalog.yaml"))


@pytest.mark.parametrize(
    ("counts", "line", "told"),
    [
        ("[10, 50, 20]", 18, "experiment.n_cells.2: 20 follows 50"),
        ("[10, 20, 20]", 18, "experiment.n_cells.2: 20 is repeated"),
        ("[10, 20, 10]", 18, "experiment.n_cells.2: 10 is repeated"),
        ("\n  - 10\n  - 30\n  - 25", 21, "experiment.n_cells.2: 25 follows 30"),
        ("[0, 10]", 18, "experiment.n_cells.0: Input should be greater than or equal to 1, found 0"),
        ("[-5]", 18, "greater than or equal to 1, found -5"),
        ("[2.5]", 18, "a whole number is wanted, found 2.5"),
        ("['10']", 18, "a whole number is wanted, found '10'"),
        ("[true]", 18, "a whole number is wanted, found True"),
        ("[]", 18, "experiment.n_cells: at least one cell count is wanted"),
        ("100", 18, "experiment.n_cells: a list is wanted, found 100"),
    ],
)
def test_cell_counts_that_do_not_rise_are_refused_by_value(counts, line, told):
    error = refused(changed("[10, 20, 50]", counts))
    assert told in error.problem
    assert error.place == f"mine.yaml:{line}"


@pytest.mark.parametrize(
    ("old", "new", "line", "told"),
    [
        (
            "counts: layers/raw",
            "counts: layer/raw",
            6,
            "atlases.lung.counts: auto, X, raw.X or layers/<name> is wanted",
        ),
        (
            "counts: layers/raw",
            "url: https://example.org/a",
            4,
            "exactly one of file, url, simulated, scanpy is wanted, found file and url",
        ),
        (
            "file: lung.h5ad",
            "donor: d",
            4,
            "atlases.lung: exactly one of file, url, simulated, scanpy is wanted, found none",
        ),
        ("file: lung.h5ad", "url: https://example.org/a", 4, "atlases.lung: url and sha256 belong together"),
        ("file: lung.h5ad", "url: /a", 5, "a URL that begins with"),
        (
            "counts: layers/raw",
            "sha256: ABC",
            6,
            "64 lower-case hexadecimal digits are wanted, or `first`, found 'ABC'",
        ),
        ("counts: layers/raw", "count: layers/raw", 6, "atlases.lung.count: unknown key"),
        ("counts: layers/raw", "duplicates: keep", 6, "atlases.lung.duplicates: 'keep' is not allowed"),
        (
            "counts: layers/raw",
            "donor: 5",
            6,
            "atlases.lung.donor: a text is wanted (numbers and dates need quotes), found 5",
        ),
        (
            "counts: layers/raw",
            "min_genes: -1",
            6,
            "atlases.lung.min_genes: Input should be greater than or equal to 0, found -1",
        ),
        (
            "{simulated: true}\nmodels",
            "{simulated: 1}\nmodels",
            7,
            "atlases.sim.simulated: true or false is wanted, found 1",
        ),
        ("generation: v2", "generation: v3", 11, "models.mine.options.generation: 'v3' is not allowed"),
        ("generation: v2", "generation: v2, tokens: 3", 11, "models.mine.options.tokens: a path is wanted, found 3"),
        ("generation: v2", "generation: v2, epochs: 3", 11, "models.mine.options.epochs: unknown key"),
        (
            "generation: v2",
            "generation: v2, tokens: 'hf://one/two@main/../three'",
            11,
            "models.mine.options.tokens: 'hf://one/two@main/../three': '..' cannot be a part of a path",
        ),
        ("options: {generation: v2}", "options: v2", 11, "models.mine.options: a block of keys is wanted, found 'v2'"),
        (
            "options: {generation: v2}",
            "control: random",
            9,
            "exactly one of checkpoint, control is wanted, found checkpoint and control",
        ),
        ("options: {generation: v2}", "family: scbert", 11, "models.mine.family: 'scbert' is not allowed"),
        ("layer: 3", "layer: 0", 12, "models.mine.layer: Input should be greater than or equal to 1, found 0"),
        ("layer: 3", "layer: 3\n    layers: [1, 2]", 12, "models.mine.layer: layer 3 is not among layers 1, 2"),
        ("layer: 3", "layers: [1, 1]", 12, "models.mine.layers: 1 is said more than once"),
        (
            "layer: 3",
            "layers: some",
            12,
            "models.mine.layers: 'all' or a list of layer numbers from 1 is wanted, found 'some'",
        ),
        ("layer: 3", "expect: {layer: 3}", 12, "models.mine.expect.layer: unknown key"),
        ("layer: 3", "config: c.json", 12, "models.mine.config: only `control: random` takes an architecture"),
        (
            "{control: planted}",
            "{control: random, config: c.json}",
            13,
            "models.planted: a geneformer model with `config` needs options.tokens",
        ),
        ("  planted:", "  baselines:", 13, "models.baselines: 'baselines' stands for the baselines"),
        ("  planted:", "  Mine:", 13, "models.Mine: 'Mine' and 'mine' would share a folder"),
        ("format: trrust", "columns: {from: tf}", 16, "'from' is not allowed"),
        ("format: trrust", "dates: keep", 16, "networks.trrust.dates: 'keep' is not allowed"),
        ("format: trrust", "where: [a]", 16, "networks.trrust.where: a block of keys is wanted, found ['a']"),
        ("format: trrust", "where: {year: 3}", 16, "networks.trrust.where.year: a list is wanted, found 3"),
        ("counts: layers/raw", "sha256: once", 6, "64 lower-case hexadecimal digits are wanted, or `first`, found"),
        (
            "format: trrust",
            "format: trrust, columns: {tf: TF}",
            16,
            "networks.trrust.columns: format trrust knows its columns",
        ),
        (
            "format: trrust",
            "version: 2.0",
            16,
            "networks.trrust.version: a text is wanted (numbers and dates need quotes), found 2.0",
        ),
        (
            "simulation: {n_cells: 100",
            "simulation: {n_cells: 40",
            2,
            "simulation.n_cells: 40 cells are fewer than the largest cell count 50",
        ),
        (
            "simulation: {n_cells: 100, n_genes: 400}",
            "",
            7,
            "atlases.sim: needs the simulated world, which the catalog does not declare",
        ),
        ("  n_cells: [10", "  repeats: 0\n  n_cells: [10", 18, "experiment.repeats"),
        ("  n_cells: [10, 20, 50]", "  repeats: 2", 17, "experiment.n_cells: is required"),
        ("  n_cells: [10", "  direction: both\n  n_cells: [10", 18, "experiment.direction: 'both' is not allowed"),
        (
            "  n_cells: [10",
            "  directions: [tf_keys]\n  n_cells: [10",
            17,
            "experiment.direction: tf_queries is not among directions tf_keys",
        ),
        (
            "  n_cells: [10",
            "  intervals: {kinds: [cell]}\n  n_cells: [10",
            18,
            "experiment.intervals.kinds.0: 'cell' is not allowed",
        ),
        (
            "  n_cells: [10",
            "  intervals: 5\n  n_cells: [10",
            18,
            "experiment.intervals: a block of keys is wanted, found 5",
        ),
        ("title: small", "atlas: {}", 1, "atlas: unknown key"),
    ],
)
def test_a_wrong_entry_is_refused_with_its_line_and_what_is_allowed(old, new, line, told):
    error = refused(changed(old, new))
    assert told in str(error)
    assert error.place == f"mine.yaml:{line}"


def test_the_allowed_values_and_keys_are_named():
    assert "'refuse' or 'sum'" in str(refused(changed("counts: layers/raw", "duplicates: keep")))
    assert "Allowed here: file, url, sha256, simulated" in str(refused(changed("counts: layers/raw", "cnts: X")))


def test_several_mistakes_are_told_at_once_in_the_files_order():
    text = (
        changed("[10, 20, 50]", "[20, 10]").replace("layer: 3", "layer: x").replace("counts: layers/raw", "counts: Y")
    )
    error = refused(text)
    assert error.place == "mine.yaml:6"
    assert [line.split(":")[1] for line in (error.remedy or "").splitlines() if line.startswith("mine.yaml")] == [
        "12",
        "18",
    ]


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("", "mine.yaml:1", "the file: a block of keys is wanted, found None"),
        ("- 1\n- 2\n", "mine.yaml:1", "a block of keys is wanted, found [1, 2]"),
        ("a: [1\nb: 2\n", "mine.yaml:2", "not readable as YAML"),
        ("a: 1\n\tb: 2\n", "mine.yaml:2", "not readable as YAML"),
        ("a: {b: 1}\nc: 2\na: {b: 2}\n", "mine.yaml:3", "the key 'a' is said twice"),
        ("a: !!python/object/apply:os.system [ls]\n", "mine.yaml:1", "not readable as YAML"),
        ("a: &a\n  b: *a\n", "mine.yaml:1", "an alias refers to the block that it stands in"),
        ("? [1, 2]\n: 3\n", "mine.yaml:1", "a key must be a word"),
        ("a: \x07\n", "mine.yaml", "not readable as YAML"),
        ("a: 1\n---\nb: 1\n", "mine.yaml:2", "not readable as YAML"),
    ],
)
def test_what_is_no_catalog_at_all_is_refused(text, place, told):
    error = refused(text)
    assert told in str(error)
    assert error.place == place


def test_a_file_that_is_no_text_is_refused():
    Path("mine.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScfmError, match=r"mine\.yaml: cannot be read"):
        catalog.load(Path("mine.yaml"))


# What it costs


def test_loading_takes_less_than_a_tenth_of_a_second():
    path = written(SMALL)
    start = time.perf_counter()
    catalog.load(path)
    assert time.perf_counter() - start < 0.1


def test_importing_and_loading_pulls_in_no_heavy_package():
    heavy = {"torch", "transformers", "pandas", "anndata", "scanpy", "sklearn", "numba", "matplotlib", "duckdb"}
    code = "import sys; from scfm_assets import catalog; catalog.current(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "scfm_assets.catalog.catalog" in loaded
    assert not heavy & set(loaded)


def test_cells_of_an_atlas_are_chosen_by_values_of_columns() -> None:
    def chosen(where: object) -> dict[str, tuple[str, ...]]:
        return catalog.Atlas.model_validate({"file": "a.h5ad", "where": where}, context={"folder": Path()}).where

    assert chosen({"tissue": ["lung", "gut"], "is_primary_data": True, "cluster": [3]}) == {
        "tissue": ("lung", "gut"),
        "is_primary_data": ("True",),
        "cluster": ("3",),
    }
    for wrong in ("lung", {"tissue": []}, {"tissue": ["lung", "lung"]}, {"tissue": [None]}):
        with pytest.raises(ValueError, match="where"):
            chosen(wrong)


def test_labels_cannot_be_asked_for_and_left_undeclared() -> None:
    with pytest.raises(ValueError, match="every cell would be left out"):
        catalog.Atlas.model_validate(
            {"file": "a.h5ad", "cell_type": None, "drop_unlabelled": True}, context={"folder": Path()}
        )
