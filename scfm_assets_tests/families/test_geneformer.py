from __future__ import annotations

import json
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import scipy.sparse as sp
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForMaskedLM, BertModel

from scfm_assets.core.attention.collector import AttentionCollector, States
from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES, Fingerprint
from scfm_assets.families.geneformer import digest_inputs, open_checkpoint

N_GENES = 60
GENES = [f"ENSG{i:011d}" for i in range(N_GENES)]
SPECIAL = {"v1": ["<pad>", "<mask>"], "v2": ["<pad>", "<mask>", "<cls>", "<eos>"]}


def a_folder(folder: Path, generation: str = "v1", *, positions: int = 64) -> Path:
    """A checkpoint as transformers saves it, with the dictionaries beside it."""
    names = [*SPECIAL[generation], *GENES]
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=positions,
        hidden_act="relu",
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(folder)
    (folder / "token_dictionary.json").write_text(json.dumps({name: i for i, name in enumerate(names)}))
    medians = np.random.default_rng(0).lognormal(0, 0.5, N_GENES)
    (folder / "gene_median.json").write_text(json.dumps(dict(zip(GENES, medians.tolist(), strict=True))))
    return folder


@pytest.fixture
def folder(tmp_path) -> Path:
    return a_folder(tmp_path / "checkpoint")


@pytest.fixture
def counts() -> sp.csr_array:
    rng = np.random.default_rng(1)
    dense = rng.integers(1, 9, (6, N_GENES)) * (rng.random((6, N_GENES)) < 0.5)
    return sp.csr_array(dense.astype(np.int32))


def change_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **changes}
    path.write_text(json.dumps({key: value for key, value in config.items() if value is not ...}))


def change_weights(folder: Path, change) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path, metadata={"format": "pt"})


def eager_sums(folder: Path, tokens, panel_of_token: np.ndarray, n_panel: int, n_layers: int) -> np.ndarray:
    model = BertModel.from_pretrained(folder, attn_implementation="eager", add_pooling_layer=False).eval()
    plain = np.zeros((n_layers, n_panel, n_panel))
    for cell in range(tokens.n_cells):
        ids = tokens.row(cell)
        at = np.flatnonzero(panel_of_token[ids] >= 0)
        genes = panel_of_token[ids][at]
        with torch.no_grad():
            maps = model(torch.from_numpy(ids.astype(np.int64))[None], output_attentions=True).attentions
        for layer in range(n_layers):
            plain[layer][np.ix_(genes, genes)] += maps[layer][0].double().mean(0).numpy()[np.ix_(at, at)]
    return plain


@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_a_checkpoint_reads_cells_and_gives_transformers_own_attention(tmp_path, counts, generation):
    folder = a_folder(tmp_path, generation)
    model = FAMILIES["geneformer"].open(folder, {"generation": generation})
    tokens = model.tokenize(counts, GENES)
    extra = 2 if generation == "v2" else 0
    assert tokens.lengths.tolist() == (np.diff(counts.indptr) + extra).tolist()
    panel_of_token = model.vocabulary.panel_of_token(GENES[:40])
    collector = AttentionCollector(panel_of_token, 40, (1, 2), np.zeros(6, dtype=int), 1)
    model.encode(tokens, collect=collector)
    expected = eager_sums(folder, tokens, panel_of_token, 40, 2)
    seen = collector.blocks[0].pairs > 0
    np.testing.assert_allclose(collector.blocks[0].plain[:, seen], expected[:, seen], rtol=2e-5)


def test_the_fingerprint_says_what_was_loaded(folder):
    fingerprint = open_checkpoint(folder, {}).fingerprint
    model = BertModel.from_pretrained(folder, add_pooling_layer=False)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    assert fingerprint == Fingerprint("geneformer", 2, 2, 16, parameters, 62, 64, "float32")


def test_the_declared_fingerprint_is_held_against_the_found_one(folder):
    open_checkpoint(folder, {"expect": {"layers": 2, "family": "geneformer"}})
    with pytest.raises(
        ScfmError, match="layers declared 6, found 2; dtype declared 'float16', found 'float32'"
    ) as caught:
        open_checkpoint(folder, {"expect": {"layers": 6, "heads": 2, "dtype": "float16"}})
    assert str(folder) in str(caught.value)
    with pytest.raises(ScfmError, match="has a field 'depth'"):
        open_checkpoint(folder, {"expect": {"depth": 6}})


def test_weights_stored_in_half_precision_are_computed_with_in_single(folder):
    change_weights(folder, lambda state: state.update({name: tensor.half() for name, tensor in state.items()}))
    change_config(folder, dtype="float16")
    model = open_checkpoint(folder, {})
    assert model.fingerprint.dtype == "float16"
    assert {parameter.dtype for parameter in model.encoder.parameters()} == {torch.float32}
    half = load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.weight"]
    assert torch.equal(model.encoder.embeddings.word_embeddings.weight, half.float())


def test_a_pytorch_bin_and_a_bare_encoder_load_as_the_same_model(folder):
    expected = open_checkpoint(folder, {}).encoder.state_dict()
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    bare = {name.removeprefix("bert."): tensor for name, tensor in state.items() if not name.startswith("cls.")}
    bare["embeddings.position_ids"] = torch.arange(64)[None]
    for saved in (state, bare):
        torch.save(saved, folder / "pytorch_model.bin")
        found = open_checkpoint(folder, {}).encoder.state_dict()
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_opening_a_checkpoint_leaves_the_global_random_stream_alone(folder):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    open_checkpoint(folder, {})
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("missing", ["position_embedding_type", "hidden_act"])
def test_configs_of_old_transformers_are_read(folder, missing):
    old = {"position_embedding_type": "absolute", "gradient_checkpointing": False, "transformers_version": "4.6.0"}
    change_config(folder, **{**old, missing: ...}, dtype=..., model_name=3, pruned_heads={})
    assert open_checkpoint(folder, {}).fingerprint.layers == 2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "roberta"}, "model_type is 'roberta'"),
        ({"model_type": ...}, "model_type is None"),
        ({"hidden_size": ...}, "hidden_size is None"),
        ({"num_hidden_layers": "2"}, "num_hidden_layers is '2'"),
        ({"num_attention_heads": 0}, "num_attention_heads is 0"),
        ({"num_attention_heads": 3}, "not a multiple of num_attention_heads 3"),
        ({"hidden_act": "hush"}, "hidden_act is 'hush'"),
        ({"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ({"is_decoder": True}, "is_decoder is True"),
        ({"hidden_size": 32}, r"shape \(62, 16\), config.json asks for \(62, 32\)"),
        ({"intermediate_size": 48}, r"'encoder.layer.0.intermediate.dense.weight' has shape \(24, 16\)"),
        ({"num_hidden_layers": 3}, r"16 of 53 tensors are missing \(first: 'encoder.layer.2"),
        ({"num_hidden_layers": 1}, r"16 tensors have no place in the config's model \(first: 'encoder.layer.1"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(folder, changes, message):
    change_config(folder, **changes)
    with pytest.raises(ScfmError, match=message) as caught:
        open_checkpoint(folder, {})
    assert str(folder) in str(caught.value)


def test_a_huge_config_is_refused_before_memory_is_taken(folder):
    change_config(folder, hidden_size=2**20, intermediate_size=2**22)
    with pytest.raises(ScfmError, match=r"config\.json asks for"):
        open_checkpoint(folder, {})


def test_missing_files_are_refused(folder, tmp_path):
    with pytest.raises(ScfmError, match="no such folder"):
        open_checkpoint(tmp_path / "nowhere", {})
    (folder / "model.safetensors").unlink()
    with pytest.raises(ScfmError, match="no weights in this folder"):
        open_checkpoint(folder, {})
    (folder / "config.json").unlink()
    with pytest.raises(ScfmError, match=r"no config\.json in this folder"):
        open_checkpoint(folder, {})
    with pytest.raises(ScfmError, match="no such folder"):
        open_checkpoint(
            tmp_path / "nowhere",
            {"tokens": folder / "token_dictionary.json", "medians": folder / "gene_median.json"},
        )


def test_a_missing_or_broken_tensor_is_refused_and_never_invented(folder):
    name = "bert.encoder.layer.1.attention.self.key.bias"
    change_weights(folder, lambda state: state[name].__setitem__(0, float("nan")))
    with pytest.raises(ScfmError, match=r"'encoder.layer.1.attention.self.key.bias' holds values that are not finite"):
        open_checkpoint(folder, {})
    change_weights(folder, lambda state: state.pop(name))
    with pytest.raises(
        ScfmError, match=r"1 of 37 tensors are missing \(first: 'encoder.layer.1.attention.self.key.bias'"
    ):
        open_checkpoint(folder, {})


@pytest.mark.parametrize("keep", [0, 7, 500, -1])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_truncated_weights_are_refused(folder, name, keep):
    if name == "pytorch_model.bin":
        torch.save(load_file(folder / "model.safetensors"), folder / name)
        (folder / "model.safetensors").unlink()
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[:keep])
    with pytest.raises(ScfmError, match=f"{name}: (not a readable|refused)"):
        open_checkpoint(folder, {})


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("how", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_a_weights_file_that_would_run_code_is_refused(folder, tmp_path, how):
    state = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    how({**state, "x": Hostile(tmp_path / "trap")}, folder / "pytorch_model.bin")
    with pytest.raises(ScfmError, match=r"pytorch_model\.bin: refused"):
        open_checkpoint(folder, {})
    assert not (tmp_path / "trap").exists()


def test_a_weights_file_of_other_things_is_refused(folder):
    (folder / "model.safetensors").unlink()
    for value in ([torch.zeros(2)], {"epoch": 3}):
        torch.save(value, folder / "pytorch_model.bin")
        with pytest.raises(ScfmError, match="not a dictionary of tensors"):
            open_checkpoint(folder, {})


def test_dictionaries_of_another_generation_are_refused(tmp_path):
    first, second = a_folder(tmp_path / "v1", "v1"), a_folder(tmp_path / "v2", "v2")
    with pytest.raises(ScfmError, match=r"neither of <cls> and <eos>, generation 'v2' needs both"):
        open_checkpoint(first, {"generation": "v2"})
    with pytest.raises(ScfmError, match=r"<cls> and <eos>, generation 'v1' needs neither"):
        open_checkpoint(second, {"generation": "v1"})
    other = {"tokens": second / "token_dictionary.json", "medians": second / "gene_median.json", "generation": "v2"}
    with pytest.raises(ScfmError, match=r"64 tokens with ids up to 63, but the model in .* has 62 token embeddings"):
        open_checkpoint(first, other)


def test_a_dictionary_of_another_size_is_refused(folder):
    path = folder / "token_dictionary.json"
    tokens = json.loads(path.read_text())
    path.write_text(json.dumps({**tokens, GENES[-1]: 99}))
    with pytest.raises(ScfmError, match="62 tokens with ids up to 99"):
        open_checkpoint(folder, {})
    del tokens[GENES[-1]]
    path.write_text(json.dumps(tokens))
    with pytest.raises(ScfmError, match="61 tokens with ids up to 60"):
        open_checkpoint(folder, {})


def test_dictionaries_may_be_parquet_or_original_pickles(folder, counts, tmp_path):
    expected = open_checkpoint(folder, {})
    tokens = json.loads((folder / "token_dictionary.json").read_text())
    medians = json.loads((folder / "gene_median.json").read_text())
    columns = {
        "gene": list(tokens),
        "token_id": list(tokens.values()),
        "nonzero_median": [medians.get(g) for g in tokens],
    }
    pq.write_table(pa.table(columns), tmp_path / "vocabulary.parquet")
    for name, value in (("tokens.pkl", tokens), ("medians.pkl", medians)):
        (tmp_path / name).write_bytes(pickle.dumps(value))
    for options in (
        {"tokens": tmp_path / "vocabulary.parquet"},
        {"tokens": str(tmp_path / "tokens.pkl"), "medians": str(tmp_path / "medians.pkl")},
    ):
        found = open_checkpoint(folder, options)
        assert found.vocabulary.digest == expected.vocabulary.digest
        assert found.tokenize(counts, GENES).digest == expected.tokenize(counts, GENES).digest
    with pytest.raises(ScfmError, match="tokens are given without medians"):
        open_checkpoint(folder, {"tokens": tmp_path / "tokens.pkl"})


def test_an_ensembl_mapping_leads_old_ids_to_their_tokens_and_sums_them(folder, counts, tmp_path):
    mapping = tmp_path / "mapping.json"
    mapping.write_text(json.dumps({"RETIRED": GENES[0], "OTHER": GENES[0], "GONE": "ENSG99999999999"}))
    model = open_checkpoint(folder, {"ensembl_mapping": mapping})
    split = sp.csr_array(sp.hstack([counts, counts[:, [0]], counts[:, [0]]]))
    dense = counts.toarray()
    dense[:, 0] *= 3
    found = model.tokenize(split, [*GENES, "RETIRED", "OTHER"])
    assert found.digest == open_checkpoint(folder, {}).tokenize(sp.csr_array(dense), GENES).digest


def test_cells_are_cut_at_the_models_positions(tmp_path, counts):
    model = open_checkpoint(a_folder(tmp_path, "v2", positions=12), {"generation": "v2"})
    tokens = model.tokenize(counts, GENES)
    assert set(tokens.lengths.tolist()) == {model.fingerprint.max_tokens} == {12}
    assert all(tokens.row(i)[[0, -1]].tolist() == [2, 3] for i in range(6))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generation": "v3"}, "generation 'v3' is not known\nGenerations are v1, v2"),
        ({"token": "x.json"}, "'token' is not known\nOptions are generation, dictionaries, tokens"),
        ({"tokens": "nowhere.json", "medians": "nowhere.json"}, r"nowhere\.json: no such file"),
    ],
)
def test_options_that_do_not_exist_are_refused(folder, options, message):
    with pytest.raises(ScfmError, match=message):
        open_checkpoint(folder, options)


def test_the_files_that_identify_a_checkpoint_are_those_that_decide_what_it_computes(folder, tmp_path):
    for note in ("README.md", "training.json", "optimizer.pt"):
        (folder / note).write_text("{}")
    own = [folder / name for name in ("config.json", "model.safetensors", "token_dictionary.json", "gene_median.json")]
    assert digest_inputs(folder, {}) == own
    vocabulary = tmp_path / "vocabulary.parquet"
    pq.write_table(pa.table({"gene": ["A"], "token_id": [1], "nonzero_median": [1.0]}), vocabulary)
    mapping = tmp_path / "mapping.json"
    assert digest_inputs(folder, {"tokens": vocabulary, "ensembl_mapping": mapping}) == [*own[:2], vocabulary, mapping]


FOREIGN = ("anndata", "scanpy", "dagster", "numba", "h5py", "zarr")
FOREIGN += ("sklearn", "duckdb", "pydantic", "matplotlib")


@pytest.mark.long  # the doors' test asks the same of the whole package
def test_core_and_families_run_where_only_their_own_packages_are_installed(folder):
    program = textwrap.dedent(f"""
        import sys
        from importlib.machinery import PathFinder

        class Installed(PathFinder):
            @classmethod
            def find_spec(cls, name, path=None, target=None):
                return None if name.split(".")[0] in {FOREIGN!r} else super().find_spec(name, path, target)

        sys.meta_path = [finder for finder in sys.meta_path if finder is not PathFinder] + [Installed]
        from pathlib import Path
        import numpy as np, scipy.sparse as sp
        import scfm_assets.core.tokens
        from scfm_assets.families import FAMILIES
        heavy = {{"torch", "transformers", "pandas"}} & set(sys.modules)
        assert not heavy, heavy
        folder, genes = Path(sys.argv[1]), ["ENSG%011d" % i for i in range({N_GENES})]
        FAMILIES["geneformer"].digest_inputs(folder, {{}})
        assert "torch" not in sys.modules
        import scfm_assets.core.attention
        model = FAMILIES["geneformer"].open(folder, {{}})
        counts = sp.csr_array(np.random.default_rng(0).integers(0, 3, (2, {N_GENES})))
        collector = scfm_assets.core.attention.AttentionCollector(
            model.vocabulary.panel_of_token(genes[:9]), 9, (1, 2), np.zeros(2, dtype=int), 1)
        model.encode(model.tokenize(counts, genes), collect=collector)
        print(collector.forwarded, *sorted(set({FOREIGN!r}) & set(sys.modules)))
    """)
    ran = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["2"]


IN_A_FRESH_PROCESS = """
import pickle, sys
from pathlib import Path
from scfm_assets_tests.families.test_geneformer import states_of
folder = Path(sys.argv[1])
model, tokens = pickle.loads((folder / "sent").read_bytes())
(folder / "back").write_bytes(pickle.dumps(states_of(model, tokens)))
"""


def states_of(model, tokens) -> list[bytes]:
    """Bits of everything that can be heard of a model, hidden states included."""
    panel_of_token = model.vocabulary.panel_of_token(GENES)
    zeros = np.zeros(tokens.n_cells, int)
    collector = AttentionCollector(panel_of_token, N_GENES, (1, 2), zeros, 1, states=States())
    model.encode(tokens, collect=collector)
    (sums,) = collector.blocks
    return [array.tobytes() for array in (sums.plain, sums.lifted, sums.hidden, collector.embeddings["mean"])]


@pytest.mark.long
def test_a_model_that_was_sent_to_another_process_is_the_same_model(folder, counts, tmp_path) -> None:
    """Hidden states included: transformers records none for an encoder that was merely unpickled."""
    model = open_checkpoint(folder, {})
    tokens = model.tokenize(counts, GENES)
    (tmp_path / "sent").write_bytes(pickle.dumps((model, tokens)))
    subprocess.run([sys.executable, "-c", IN_A_FRESH_PROCESS, str(tmp_path)], check=True, timeout=120)
    here = states_of(model, tokens)
    assert len(set(here)) == len(here)
    assert pickle.loads((tmp_path / "back").read_bytes()) == here
