"""scGPT folders that do not fit, are damaged, or mean harm: each is refused in words, and no weight is invented."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from scfm_assets.errors import ScfmError
from scfm_assets.families import FAMILIES
from scfm_assets.families.folder import check_whole
from scfm_assets_tests.families.small_scgpt import BINS, GENES, HIDDEN, N_GENES, a_folder, a_state, some_counts

SCGPT = FAMILIES["scgpt"]


@pytest.fixture
def folder(tmp_path) -> Path:
    return a_folder(tmp_path / "checkpoint")


def refused(folder: Path, message: str, options: dict | None = None) -> None:
    """The error says what is wrong, and in which folder."""
    with pytest.raises(ScfmError, match=message) as caught:
        SCGPT.open(folder, options or {})
    assert str(folder) in str(caught.value) or "scgpt options" in str(caught.value)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"embsize": ...}, "embsize is None\nIt must be a whole number from 1 to 1048576"),
        ({"nlayers": "3"}, "nlayers is '3'"),
        ({"nheads": 0}, "nheads is 0"),
        ({"d_hid": True}, "d_hid is True"),
        ({"n_bins": 51.0}, r"n_bins is 51\.0"),
        ({"n_bins": 2}, "n_bins is 2\n3 to 65536 bins make sense"),
        ({"n_bins": 10**30}, "n_bins is 1000"),
        ({"nheads": 5}, "embsize 32 is not a multiple of nheads 5"),
        ({"input_style": "log1p"}, "input_style is 'log1p'\nOnly 'binned' is supported"),
        ({"input_style": ...}, "input_style is None"),
        ({"input_emb_style": "scaling"}, "input_emb_style is 'scaling'\nOnly 'continuous' or 'category' is supported"),
        ({"pre_norm": True}, "pre_norm is set"),
        ({"pad_value": ...}, "pad_value is None"),
        ({"pad_value": float("nan")}, "pad_value is nan"),
        ({"pad_value": 1e300}, r"pad_value is 1e\+300"),
        ({"pad_value": "-2"}, "pad_value is '-2'"),
        ({"input_emb_style": "category"}, "pad_value is -2\n.* whole one above or at zero if values are categories"),
        ({"max_seq_len": -5}, "max_seq_len is -5"),
        ({"pad_token": 3}, "pad_token is 3"),
        ({"embsize": 64}, r"'encoder.embedding.weight' has shape \(63, 32\), args.json asks for \(63, 64\)"),
        ({"d_hid": 48}, r"'transformer_encoder.layers.0.linear1.weight' has shape \(24, 32\)"),
        ({"nlayers": 4}, "it has 3 layers, args.json says nlayers 4"),
        ({"nlayers": 2**20}, "it has 3 layers, args.json says nlayers 1048576"),
        ({"embsize": 2**40}, "embsize is 1099511627776"),
        ({"embsize": 2**20, "d_hid": 2**20}, r"args\.json asks for \(63, 1048576\)"),
        ({"input_emb_style": "category", "pad_value": BINS}, "3 of 42 tensors are missing"),
    ],
)
def test_an_args_json_that_does_not_fit_is_refused(folder, args, message):
    refused(a_folder(folder, **args), message)


def test_value_embeddings_that_are_too_few_are_refused(tmp_path):
    state = a_state(style="category")
    kind = {"input_emb_style": "category", "pad_value": BINS}
    assert SCGPT.open(a_folder(tmp_path, state, **kind), {}).fingerprint.layers == 3
    message = r"it has 53 value embeddings, n_bins is 51 and pad_value 53"
    refused(a_folder(tmp_path, state, **(kind | {"pad_value": 53})), message)
    refused(a_folder(tmp_path, state, **(kind | {"n_bins": 60})), "it has 53 value embeddings, n_bins is 60")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not readable JSON"),
        ("[1]", "holds a list, not names with values"),
        ("null", "holds a NoneType"),
        ("[" * 100_000, "not readable JSON"),
        ("\xff", "not readable JSON"),
    ],
)
@pytest.mark.parametrize("name", ["args.json", "vocab.json"])
def test_json_that_cannot_be_read_is_refused(folder, name, text, message):
    (folder / name).write_bytes(text.encode("latin-1"))
    refused(folder, rf"{name}: {message}")


def change_vocabulary(folder: Path, change) -> None:
    tokens = json.loads((folder / "vocab.json").read_text())
    change(tokens)
    (folder / "vocab.json").write_text(json.dumps(tokens))


def test_a_vocabulary_that_does_not_fit_is_refused(folder):
    whole = (folder / "vocab.json").read_text()
    message = "it has 63 token embeddings, the vocabulary 62 tokens"
    change_vocabulary(folder, lambda tokens: (tokens.pop("<eoc>"), tokens.pop(GENES[0]), tokens.update({"<cls>": 59})))
    refused(folder, message)
    for changed, message in (
        ({"NEW": 63}, r"it has 63 token embeddings, the vocabulary 64 tokens \(special ones included\)"),
        ({"NEW": 64}, "its 64 ids are not 0 to 63, each once"),
        ({"NEW": 5}, "its 64 ids are not 0 to 63"),
        ({"NEW": -1}, "its 64 ids are not 0 to 63"),
        ({"NEW": 1.5}, r"token of 'NEW' is 1\.5"),
        ({"NEW": None}, "token of 'NEW' is None"),
    ):
        (folder / "vocab.json").write_text(whole)
        change_vocabulary(folder, lambda tokens, changed=changed: tokens.update(changed))
        refused(folder, message)
    (folder / "vocab.json").write_text('{"<pad>": 0}')
    refused(folder, "no gene among its entries")


def test_special_tokens_that_a_vocabulary_lacks_are_appended_as_scgpt_does(folder):
    expected = SCGPT.open(folder, {}).vocabulary
    change_vocabulary(folder, lambda tokens: [tokens.pop(name) for name in ("<pad>", "<cls>", "<eoc>")])
    assert SCGPT.open(folder, {}).vocabulary.digest == expected.digest
    assert (expected.pad, expected.cls, expected.eos) == (N_GENES, N_GENES + 1, N_GENES + 2)


def without(*names: str) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in a_state().items() if name not in names}


BIAS = "transformer_encoder.layers.1.self_attn.Wqkv.bias"


@pytest.mark.parametrize(
    ("state", "message"),
    [
        (without(BIAS), rf"1 of 45 tensors are missing \(first: '{BIAS}'\)"),
        (without("value_encoder.norm.weight"), r"missing \(first: 'value_encoder.norm.weight'\)"),
        (without("encoder.embedding.weight"), r"missing \(first: 'encoder.embedding.weight'\)"),
        (a_state() | {BIAS: torch.zeros(HIDDEN)}, rf"tensor '{BIAS}' has shape \(32,\), args.json asks for \(96,\)"),
        (a_state() | {BIAS: torch.full((96,), torch.nan)}, rf"tensor '{BIAS}' holds values that are not finite"),
        (a_state() | {"pert_encoder.weight": torch.zeros(3)}, r"no place .* \(first: 'pert_encoder.weight'\)"),
        (a_state() | {"bn.weight": torch.zeros(HIDDEN)}, r"3 of 49 tensors are missing \(first: 'bn\."),
        (a_state() | {"dsbn.bns.0.running_mean": torch.zeros(HIDDEN)}, "its cells are normalised by batch"),
        (a_state() | {"module." + BIAS: torch.zeros(96)}, rf"tensor '{BIAS}' is there twice, under two names"),
        ({}, "it has 0 layers, args.json says nlayers 3"),
    ],
)
def test_tensors_that_are_missing_left_over_misshapen_or_not_finite_are_refused(folder, state, message):
    refused(a_folder(folder, state), message)
    (folder / "best_model.pt").unlink()
    save_file(state, folder / "model.safetensors")
    refused(folder, message)


class Hostile:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("how", [torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, 2))])
def test_a_weights_file_that_would_run_code_is_refused(folder, tmp_path, how):
    how({**a_state(), "x": Hostile(tmp_path / "trap")}, folder / "best_model.pt")
    refused(folder, r"best_model\.pt: refused: it holds more than tensors")
    assert not (tmp_path / "trap").exists()


def test_a_weights_file_of_other_things_is_refused(folder):
    for value in ([torch.zeros(2)], {"epoch": 3}, {"model": a_state()}):
        torch.save(value, folder / "best_model.pt")
        refused(folder, "not a dictionary of tensors")


@pytest.mark.parametrize("keep", [0, 7, 500, -1])
def test_truncated_weights_are_refused_and_seen_before_they_are_read(folder, keep):
    path = folder / "best_model.pt"
    path.write_bytes(path.read_bytes()[:keep])
    refused(folder, r"best_model\.pt: (not a readable|refused)")
    if keep != 0:  # an empty file is none that says how long it should be
        with pytest.raises(ScfmError, match="these are no whole weights"):
            check_whole(SCGPT.digest_inputs(folder, {}))


def test_missing_files_are_refused(folder, tmp_path):
    refused(tmp_path / "nowhere", "no such folder\nAn scGPT checkpoint is a folder with args.json, vocab.json")
    for name, message in (
        ("vocab.json", r"vocab\.json: no such file"),
        ("best_model.pt", "no weights in this folder\nOne of model.safetensors or best_model.pt is needed"),
        ("args.json", r"args\.json: no such file"),
    ):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        refused(folder, message)
        (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generation": "v1"}, "'generation' is not known\nOptions are gene_table, vocab, max_tokens, beyond, ties"),
        ({"beyond": "random"}, "beyond 'random' is not known\nIt may be highest or content"),
        ({"ties": "lowest"}, "ties 'lowest' is not known\nIt may be middle or highest"),
        ({"max_tokens": 1}, "max_tokens is 1\nIt must be a whole number: <cls> and at least one gene"),
        ({"max_tokens": "12"}, "max_tokens is '12'"),
        ({"expect": {"layers": 12, "family": "scgpt"}}, "layers declared 12, found 3"),
    ],
)
def test_options_that_do_not_fit_are_refused(folder, options, message):
    refused(folder, message, options)


def test_a_gene_table_that_is_not_there_is_refused(folder, tmp_path):
    with pytest.raises(ScfmError, match=r"genes\.tsv: there is no such gene table"):
        SCGPT.open(folder, {"gene_table": str(tmp_path / "genes.tsv")})


def test_the_files_that_identify_a_checkpoint_are_those_that_decide_what_it_computes(folder, tmp_path):
    (folder / "run.log").write_text("")
    own = [folder / name for name in ("args.json", "best_model.pt", "vocab.json")]
    assert SCGPT.digest_inputs(folder, {}) == own
    table, vocab = tmp_path / "genes.tsv", tmp_path / "other.json"
    assert SCGPT.digest_inputs(folder, {"gene_table": str(table), "vocab": str(vocab)}) == [*own[:2], vocab, table]
    check_whole(own)


def test_weights_stored_in_half_precision_are_computed_with_in_single(folder):
    model = SCGPT.open(a_folder(folder, {name: tensor.half() for name, tensor in a_state().items()}), {})
    assert model.fingerprint.dtype == "float16"
    assert {parameter.dtype for parameter in model.encoder.parameters()} == {torch.float32}


def test_ids_of_a_gene_table_lead_to_tokens_and_are_summed(folder, tmp_path):
    table = tmp_path / "genes.tsv"
    rows = [f"{gene}\tENSG{i:011d}.3" for i, gene in enumerate(GENES)]
    table.write_text("\n".join(["gene_name\tensembl_id", *rows, f"OLD\tENSG{7:011d}", f"OLD2\tENSG{7:011d}"]) + "\n")
    model = SCGPT.open(folder, {"gene_table": str(table)})
    ids = [f"ENSG{i:011d}" for i in range(N_GENES)]
    counts = some_counts()
    expected = model.tokenize(counts, GENES)
    assert model.tokenize(counts, ids).digest == expected.digest
    names = model.vocabulary.names_of(ids, ["OLD2" if i == 7 else "?" for i in range(N_GENES)])
    assert model.tokenize(counts, names).digest == expected.digest
    doubled = counts.toarray()
    doubled[:, 7] += doubled[:, 8]
    doubled[:, 8] = 0
    split = [*GENES[:8], "OLD", *GENES[9:]]
    assert model.tokenize(counts, split).digest == model.tokenize(type(counts)(doubled), GENES).digest
