"""What each input delivers to a step, of the real assets of a small platform."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from scfm_assets.defs.studies.inputs import DELIVERIES
from scfm_assets.errors import ScfmError
from scfm_assets.resources.store import Store
from scfm_assets.studies import inputs
from scfm_assets.studies.study import Step
from scfm_assets.tables.columns import Table, count, text
from scfm_assets_tests.platforms import Home
from scfm_assets_tests.studies.fixture_studies import loaded, make, scaffolded, with_study

TABLES = '''
"""One table for each place."""

from scfm_assets.tables.columns import Table, text

PLACES = {place: Table(f"of_{place.replace(' ', '_')}", "One row: what an input is.", (
    text("input", "Name of the input."), text("value", "What the step got.")), key=("input",))
    for place in ("whole", "tissue", "slice", "model", "model slice")}
SUMMARY = Table("summary", "One row: a row of another table.", (text("table", "Which."), text("value", "What.")))
SCORES = PLACES["whole"]
'''
STEPS = '''
"""Says what it got."""

from collections.abc import Mapping

from {package}.tables import PLACES, SUMMARY


def described(value):
    if isinstance(value, Mapping):
        one = described(next(iter(value.values()))) if len(value) else "nothing"
        return f"{{len(value)}} by {{type(next(iter(value))).__name__}}: {{one}}"
    if hasattr(value, "__next__"):
        return " then ".join(f"{{n}}: {{described(found)}}" for n, found in value)
    if isinstance(value, list):
        return f"list of {{len(value)}} {{type(value[0]).__name__}}"
    return f"{{type(value).__name__}}" + (f" {{value.num_rows}}" if hasattr(value, "num_rows") else "")


def step(place, names):
    def describe(settings, *values):
        return PLACES[place].rows({{"input": n, "value": described(v)}} for n, v in zip(names, values, strict=True))

    return describe


def summary(settings, *tables):
    return SUMMARY.rows(
        {{"table": place, "value": str(table.num_rows)}} for place, table in zip(PLACES, tables, strict=True)
    )

{functions}
'''
INIT = """
from dataclasses import replace

from {package} import tables
from {package}.settings import Settings
from scfm_assets.studies.inputs import INPUTS
from scfm_assets.studies.study import Controls, Step, Study

READ = {{place: tuple(offered for offered in INPUTS.values() if place in offered.places) for place in tables.PLACES}}
STUDY = Study(
    title="Inputs", question="What is there?", settings=Settings,
    steps=(
        *(Step(table, f"steps:of_{{place.replace(' ', '_')}}", reads=READ[place], per=place)
          for place, table in tables.PLACES.items()),
        Step(tables.SUMMARY, "steps:summary", reads=tuple(tables.PLACES.values())),
    ),
    families={{}}, tests="verdict:hypotheses", verdict="verdict:verdict", figures="figures:figures",
    controls=Controls(positive="controls:effect", negative="controls:no_effect"),
)
"""


@pytest.fixture(scope="module")
def delivered(finished: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, str]]]:
    """Rows of each step of a study that reads everything, made in a copy of a finished store."""
    folder = tmp_path_factory.mktemp("delivered")
    shutil.copytree(finished.folder / "store", folder / "store")
    study_folder = scaffolded(folder)
    package = "other_package.made_up"
    names = {place: [i.name for i in inputs.INPUTS.values() if place in i.places] for place in inputs.PLACES}
    functions = "\n".join(f"of_{p.replace(' ', '_')} = step({p!r}, {names[p]!r})" for p in inputs.PLACES)
    (study_folder / "tables.py").write_text(TABLES)
    (study_folder / "steps.py").write_text(STEPS.format(package=package, functions=functions))
    (study_folder / "__init__.py").write_text(INIT.format(package=package))
    rows: dict[str, list[dict[str, str]]] = {}
    with loaded(study_folder) as study:
        platform, store = with_study(finished.platform, study), Store(folder)
        assets = [name for name in platform.nodes if name.startswith("made_up/of_")]
        for asset in [*assets, "made_up/summary"]:
            rows[asset.removeprefix("made_up/")] = [row for t in make(platform, store, asset) for row in t.to_pylist()]
    return rows


def got(rows: list[dict[str, str]]) -> dict[str, str]:
    """Input -> what the first place got."""
    return {row["input"]: row["value"] for row in reversed(rows)}


def test_a_step_without_a_place_gets_everything_of_each(delivered, finished: Home) -> None:
    values = got(delivered["of_whole"])
    n_tissues = len(finished.catalog.atlases)
    assert values["atlas"] == f"{n_tissues} by str: AnnData"
    assert values["universes"] == f"{n_tissues} by str: TissueUniverses"
    assert values["networks"].startswith(f"{len(finished.catalog.networks)} by str: Table")
    assert values["panel"].startswith("Table ")
    assert values["metrics"].startswith("Table ")
    assert values["workers"] == "int"
    assert values["compute"].endswith("Compute")


def test_a_step_of_a_tissue_or_slice_gets_its_own(delivered, finished: Home) -> None:
    of_tissue, of_slice = got(delivered["of_tissue"]), got(delivered["of_slice"])
    assert of_tissue["atlas"] == of_slice["atlas"] == "AnnData"
    assert of_tissue["universes"] == "TissueUniverses"
    counts = finished.catalog.experiment.n_cells
    for name in ("contenders", "contenders_by_group"):
        assert of_slice[name].startswith("list of ")
        assert of_slice[name].endswith(" Contender")
        assert [part.split(":")[0] for part in of_tissue[name].split(" then ")] == [str(n) for n in counts]
    assert len(delivered["of_slice"]) == len(of_slice) * len(finished.catalog.atlases) * len(counts)
    assert {row["n_cells"] for row in delivered["of_slice"]} == set(counts)
    assert int(of_tissue["cell_sets"].split()[1]) >= int(of_slice["cell_sets"].split()[1]) > 0


def test_a_step_of_a_model_gets_what_the_model_has_made(delivered, finished: Home) -> None:
    hidden = [name for name, entry in finished.catalog.models.items() if entry.hidden_states]
    assert {name for name in delivered if name.startswith("of_model_slice/")} == {f"of_model_slice/{m}" for m in hidden}
    for model in hidden:
        values = got(delivered[f"of_model_slice/{model}"])
        assert values["tokens"] == "1 by int: TokenizedCells"
        assert values["attention"] == f"{finished.catalog.experiment.repeats} by int: AttentionSums"
        assert values["embeddings"] == "CellEmbeddings"
        assert {row["model"] for row in delivered[f"of_model_slice/{model}"]} == {model}
        assert all(row["checkpoint"] for row in delivered[f"of_model_slice/{model}"])
    for model in finished.catalog.models:
        assert got(delivered[f"of_model/{model}"])["model"].endswith("Model")


def test_tables_of_other_steps_come_with_the_rows_of_all_places_and_models(delivered) -> None:
    """Each row of the summary counts the rows that it got."""
    counted = {row["table"]: int(row["value"]) for row in delivered["summary"]}
    for place, n_rows in counted.items():
        prefix = f"of_{place.replace(' ', '_')}"
        assert n_rows == sum(len(rows) for name, rows in delivered.items() if name.split("/")[0] == prefix), place


def test_every_input_is_delivered() -> None:
    assert set(DELIVERIES) == set(inputs.INPUTS.values())


def test_an_input_that_a_place_cannot_have_is_refused_with_where_it_can_be_had() -> None:
    table = Table("rows", "One row.", (text("a", "A."), count("b", "B.")))
    with pytest.raises(ScfmError, match=r"reads attention.*whole[\s\S]*model slice"):
        Step(table, "a:b", reads=(inputs.ATTENTION,))


def test_a_killed_step_goes_on_from_its_finished_parts_and_not_from_those_of_other_settings(
    finished: Home, tmp_path: Path
) -> None:
    folder = scaffolded(tmp_path)
    scores = (folder / "scores.py").read_text()
    scores = scores.replace("settings: Settings, *,", "settings: Settings, *, kept,")
    scores = scores.replace(
        "    progress(settings.n_samples, settings.n_samples)\n",
        "    def part(i):\n"
        "        CALLS.append(i)\n"
        "        if i == BREAKS_AT:\n"
        "            raise KeyboardInterrupt\n"
        '        return [{"sample": i, "value": float(values[i])}]\n'
        "\n"
        "    return SCORES.rows(row for i in range(4) for row in kept.rows([i], lambda i=i: part(i)))\n",
    )
    shared = "\n\nimport builtins\nCALLS = builtins.__dict__.setdefault('calls', [])\nBREAKS_AT = None\n"
    (folder / "scores.py").write_text(scores + shared)
    init = (folder / "__init__.py").read_text()
    (folder / "__init__.py").write_text(init.replace("simulated=True,", "simulated=True, resumable=True, pool='gpu',"))
    store = Store(tmp_path / "home")
    with loaded(folder) as study:
        platform = with_study(finished.platform, study)
        module = study.resolve("scores:measure").__globals__
        calls, module["BREAKS_AT"] = module["CALLS"], 2
        with pytest.raises(KeyboardInterrupt):
            make(platform, store, "made_up/scores")
        assert calls == [0, 1, 2]
        module["BREAKS_AT"] = None
        (rows,) = make(platform, store, "made_up/scores")
        assert calls == [0, 1, 2, 2, 3]
        assert rows["sample"].to_pylist() == [0, 1, 2, 3]
        assert not list(store.root.rglob("*.parts"))
        assert platform.nodes["made_up/scores"].pool == "gpu"
        make(platform, store, "made_up/scores", force=True)
        assert calls[5:] == [0, 1, 2, 3]
