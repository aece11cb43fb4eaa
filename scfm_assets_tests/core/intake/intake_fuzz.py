"""Broken atlases: files in every format, each mutated by a seeded hand, and what intake may do with them.

Run in a process of its own, which may be killed: ``python -m scfm_assets_tests.core.intake.intake_fuzz FIRST STEP N``.
"""

import faulthandler
import gzip
import json
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import h5py
import numpy as np
import pyarrow as pa
from scipy import sparse

from scfm_assets.core.intake.atlas import AtlasSpec, process, read
from scfm_assets.core.intake.files import scouting
from scfm_assets.core.intake.guess import guess_spec
from scfm_assets.core.intake.inspection import inspect_file
from scfm_assets.errors import ScfmError
from scfm_assets_tests.core.intake import atlas_writers as write
from scfm_assets_tests.core.intake.small_atlas import log1p_cp10k, small_atlas, small_counts

COUNTS = small_counts(n_cells=24, n_genes=18)
ROWS = COUNTS.astype(np.float32)
SECONDS = 20
"""What one case may take on a busy machine before it counts as hanging."""
ADDRESS_SPACE = 6 * 2**30
NASTY = [
    *("\x00", "T\x1b[2Jcell", "../../../../etc/passwd", "a\nb", "T cell\r", "‮evil", "é" * 300, "", "NA"),
    *("C:\\x", "'; drop table cells; --", "=1+1", "\ufeffT", "😀", "{}", "%s%n", " ", "nan", "\x7f", "\udcff"),
]
BASES = {
    "csr.h5ad": lambda path: write.write_h5ad(path, small_atlas(COUNTS)),
    "csc.h5ad": lambda path: write.write_h5ad(
        path, small_atlas(COUNTS, X=sparse.csc_matrix(COUNTS)), compression="gzip"
    ),
    "dense.h5ad": lambda path: write.write_h5ad(
        path,
        small_atlas(COUNTS, X=log1p_cp10k(COUNTS), layers={"counts": ROWS}, raw=raw_of(COUNTS)),
        compression="gzip",
    ),
    "tenx.h5": lambda path: write.write_tenx(path, COUNTS, compression="gzip"),
    "tenx2.h5": lambda path: write.write_tenx_2(path, COUNTS),
    "a.loom": lambda path: write.write_loom(path, ROWS, layers={"spliced": ROWS}, chunks=(8, 8), compression="gzip"),
    "plain": lambda path: write.write_mtx(path, COUNTS, packed=False),
    "packed": lambda path: write.write_mtx(path, COUNTS),
    "two.zarr": lambda path: write.write_zarr(path, small_atlas(COUNTS)),
    "three.zarr": lambda path: write.write_zarr(path, small_atlas(COUNTS, X=sparse.csc_matrix(ROWS)), 3),
}


def raw_of(counts):
    return {"X": sparse.csr_matrix(counts), "var": small_atlas(counts).var}


# HDF5 ---------------------------------------------------------------------------------------------------------------


def places(file):
    found = []
    file.visit(found.append)
    return found


def some(rng, file, kind=h5py.Dataset):
    """A thing in the file, more often one that is read."""
    listed = [name for name in places(file) if isinstance(file.get(name), kind)]
    return listed[rng.integers(len(listed))] if listed else None


def replaced(file, name, values, **options):
    attributes = dict(file[name].attrs)
    del file[name]
    made = file.create_dataset(name, data=values, **options)
    made.attrs.update(attributes)


def values_of(file, name):
    return np.atleast_1d(file[name][()])


def drop(rng, file):
    del file[some(rng, file, (h5py.Dataset, h5py.Group))]


def move(rng, file):
    name = some(rng, file, (h5py.Dataset, h5py.Group))
    file.move(name, f"{name}_moved")


def retype(rng, file):
    name = some(rng, file)
    n = values_of(file, name).shape
    kinds = [
        "f2",
        ">f4",
        "f8",
        "i1",
        ">i8",
        "u8",
        "c16",
        "?",
        "S3",
        "S0",
        "V4",
        "g",
        "O",
        "compound",
        "reference",
        "enum",
    ]
    kind = kinds[rng.integers(len(kinds))]
    if kind == "O":
        replaced(file, name, np.full(n, "one", dtype=object), dtype=h5py.string_dtype())
    elif kind == "compound":
        replaced(file, name, np.zeros(n, dtype=[("a", "i4"), ("b", "S4")]))
    elif kind == "reference":
        replaced(file, name, np.array([file.ref] * max(n[0], 1), dtype=h5py.ref_dtype), dtype=h5py.ref_dtype)
    elif kind == "enum":
        replaced(file, name, np.ones(n, dtype="i1"), dtype=h5py.enum_dtype({"A": 1, "B": 2}, "i1"))
    elif kind in {"S3", "S0", "V4"}:
        replaced(file, name, np.zeros(n, dtype="S3" if kind == "S0" else kind))
    else:
        values = values_of(file, name)
        with np.errstate(all="ignore"):
            replaced(file, name, values.astype(kind) if values.dtype.kind in "biuf" else np.ones(n, dtype=kind))


def reshape(rng, file):
    name = some(rng, file)
    values = values_of(file, name)
    change = rng.integers(7)
    shapes = {
        0: lambda: values[:-1],
        1: lambda: np.concatenate([values, values]),
        2: lambda: values[:0],
        3: lambda: values.reshape(-1, 1),
        4: lambda: values.ravel()[0],
        5: lambda: values.T if values.ndim > 1 else values[::-1],
        6: lambda: np.stack([values] * 2),
    }
    made = shapes[int(change)]() if values.size else np.array([b"a", b"b"])
    text = {"dtype": file[name].dtype} if file[name].dtype.kind == "O" else {}
    replaced(file, name, made, **text)


def claim(rng, file):
    """Declare far more than there is."""
    name = some(rng, file)
    dtype, attributes, ndim = file[name].dtype, dict(file[name].attrs), max(file[name].ndim, 1)
    del file[name]
    shape = (10 ** int(rng.integers(8, 14)),) * ndim
    chunks = {"chunks": (64,) * ndim} if rng.random() < 0.7 else {}
    if not chunks:
        shape = (10**12,) + (1,) * (ndim - 1)
    try:
        file.create_dataset(name, shape, dtype, **chunks).attrs.update(attributes)
    except (ValueError, OSError):
        file.create_dataset(name, (10**9,) * ndim, dtype, chunks=(64,) * ndim)


def corrupt_values(rng, file):
    names = [n for n in places(file) if isinstance(file[n], h5py.Dataset) and file[n].dtype.kind in "iuf"]
    name = names[rng.integers(len(names))]
    values = np.array(file[name][()], dtype=np.float64)
    at = rng.integers(max(values.size, 1), size=int(rng.integers(1, 4)))
    strange = [np.nan, np.inf, -np.inf, -1, 0.5, 1e300, 2**31, 2**53, -(2**31), 1e-300, 99, 0]
    if values.size:
        values.flat[at] = [strange[rng.integers(len(strange))] for _ in at]
    fits = (
        np.isfinite(values).all() and np.array_equal(values, np.rint(values)) and np.abs(values).max(initial=0) < 2**62
    )
    replaced(file, name, values.astype(np.int64) if fits and file[name].dtype.kind in "iu" else values)


def corrupt_texts(rng, file):
    names = [n for n in places(file) if isinstance(file[n], h5py.Dataset) and file[n].dtype.kind in "SO"]
    if not names:
        return
    name = names[rng.integers(len(names))]
    values = [v.decode() if isinstance(v, bytes) else v for v in np.atleast_1d(file[name][()]).tolist()]
    for i in rng.integers(max(len(values), 1), size=int(rng.integers(1, 5))):
        if values:
            values[i] = NASTY[rng.integers(len(NASTY))]
    plain = [str(v).replace("\x00", "\x01").encode("utf-8", "surrogateescape") for v in values]
    if rng.random() < 0.3:
        plain = [plain[0] if plain else b""] * len(plain)
    if any(plain) and rng.random() < 0.5:
        replaced(file, name, np.array(plain, dtype="S"))
    else:
        replaced(file, name, np.array(plain, dtype=object), dtype=h5py.string_dtype())


def reattribute(rng, file):
    name = some(rng, file, (h5py.Dataset, h5py.Group))
    keys = ["encoding-type", "shape", "_index", "column-order", "encoding-version", "ordered", "h5sparse_format"]
    owners = [n for n in places(file) if len(file[n].attrs)] or [name]
    owner = file[owners[rng.integers(len(owners))]]
    key = ([*owner.attrs, *keys])[rng.integers(len(owner.attrs) + len(keys))]
    strange = [
        *("dataframe", "csc_matrix", "csr_matrix", "array", "categorical", "../x", "", b"\xff\xfe", 3, -1.5, 10**18),
        *([24, 18], [10**12, 10**12], [-1, 3], ["cell_type", "cell_type"], ["obs/x", "", "."], np.zeros((2, 2))),
        *("nullable-integer", "string-array", "awkward-array", "_index", "cell_type", h5py.Empty("f4")),
    ]
    if rng.random() < 0.3 and key in owner.attrs:
        del owner.attrs[key]
    else:
        owner.attrs[key] = strange[rng.integers(len(strange))]


def swap_kind(rng, file):
    name = some(rng, file, (h5py.Dataset, h5py.Group))
    group = isinstance(file[name], h5py.Group)
    del file[name]
    if group:
        file[name] = np.arange(5)
    else:
        file.create_group(name).attrs["encoding-type"] = "dataframe"


def relink(rng, file):
    name = some(rng, file, (h5py.Dataset, h5py.Group))
    links = [
        h5py.SoftLink("/nowhere"),
        h5py.SoftLink("/"),
        h5py.SoftLink(f"/{name}"),
        h5py.SoftLink(f"/{name}_other"),
        h5py.ExternalLink("/etc/passwd", "/"),
        h5py.ExternalLink("other.h5ad", "/X"),
        file["/"],
    ]
    file.move(name, f"{name}_other")
    file[name] = links[rng.integers(len(links))]


def outside(rng, file):
    name = some(rng, file)
    shape = values_of(file, name).shape
    attributes = dict(file[name].attrs)
    del file[name]
    if rng.random() < 0.5:
        made = file.create_dataset(name, shape, "i4", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)])
    else:
        layout = h5py.VirtualLayout(shape, "i4")
        layout[...] = h5py.VirtualSource("other.h5", "X", shape)
        made = file.create_virtual_dataset(name, layout)
    made.attrs.update(attributes)


def junk(rng, file):
    folder = some(rng, file, h5py.Group) or "/"
    names = ["layers", "raw", "__categories", "x/y", "uns", "obs2", "Gene", "\u202e", "codes", "scfm"]
    name = f"{folder}/{names[rng.integers(len(names))]}"
    if name in file:
        return
    if rng.random() < 0.5:
        file.create_group(name).create_group("X")
    else:
        file[name] = [np.arange(24), np.zeros((24, 18)), b"text", 7][rng.integers(4)]


def break_chunk(rng, file):
    """Give one compressed piece other bytes."""
    names = [n for n in places(file) if isinstance(file[n], h5py.Dataset) and file[n].chunks and file[n].size]
    if names:
        dataset = file[names[rng.integers(len(names))]]
        mask = int(rng.choice([0, 0, 1, 255]))
        dataset.id.write_direct_chunk((0,) * dataset.ndim, rng.bytes(max(1, int(rng.integers(0, 64)))), mask)


HDF5 = (
    *(drop, move, retype, reshape, claim, corrupt_values, corrupt_texts, reattribute, swap_kind, relink),
    *(outside, junk, break_chunk, retype, reattribute, corrupt_texts),
)


# Bytes and texts ----------------------------------------------------------------------------------------------------


def truncate(rng, content):
    return content[: int(rng.integers(len(content)))]


def flip(rng, content):
    made = bytearray(content)
    for at in rng.integers(len(made), size=int(rng.integers(1, 6))):
        made[at] ^= 1 << int(rng.integers(8))
    return bytes(made)


def flip_head(rng, content):
    """In the first two thousand bytes, where HDF5 has its tables."""
    return flip(rng, content[:2048]) + content[2048:]


def blank(rng, content):
    at, length = int(rng.integers(len(content))), int(rng.integers(1, 400))
    return content[:at] + [b"\x00", b"\xff"][rng.integers(2)] * length + content[at + length :]


def splice(rng, content):
    one, other = sorted(rng.integers(len(content), size=2).tolist())
    return content[:one] + content[other:]


BYTES = (truncate, flip, flip_head, blank, splice)
LINES = [
    *(b"%%MatrixMarket matrix array real general", b"%%MatrixMarket matrix coordinate complex symmetric", b""),
    *(b"1000000000000 1000000000000 5", b"18 24 999999999999", b"18 24", b"-1 2 3", b"0 0 0", b"99 1 1", b"1 99 1"),
    *(
        b"1 1 -4",
        b"1 1 nan",
        b"1 1 0.5",
        b"1 1 1e300",
        b"1 1 inf",
        b"one two three",
        b"1 1",
        b"1 1 1 1 1 1",
        b"\xff\xfe",
    ),
    *(
        b"1.5 1 1",
        b"99999999999999999999 1 1",
        b'"1 1 1',
        b"1,1,1",
        b"\x00\x00",
        b"ENSG1\tA\tB\tC\tD",
        b"\t\t\t",
        b"NA",
    ),
    *(b"../../x\t\x1b[2J\tGene Expression", b"A\tB\tAntibody Capture", b"a" * 20_000, b"18\xc2\xa024 1", b"# 1 1 1"),
]


def relined(rng, content):
    lines = content.split(b"\n")
    at = int(rng.integers(min(len(lines), 6))) if rng.random() < 0.7 else int(rng.integers(len(lines)))
    new = LINES[rng.integers(len(LINES))]
    change = rng.integers(4)
    if change == 0:
        lines[at] = new
    elif change == 1:
        lines.insert(at, new)
    elif change == 2:
        del lines[at]
    else:
        lines[at:at] = lines[at : at + 2]
    return b"\n".join(lines)


def mutate_texts(rng, path, turn):
    files = sorted(path.iterdir())
    file = files[rng.integers(len(files))]
    if turn % 8 == 0:
        file.unlink()
    elif turn % 8 == 1:
        file.write_bytes(BYTES[rng.integers(len(BYTES))](rng, file.read_bytes()))
    elif turn % 8 == 2:
        file.write_bytes(files[rng.integers(len(files))].read_bytes())
    else:
        content = file.read_bytes()
        plain = gzip.decompress(content) if content[:2] == b"\x1f\x8b" else content
        for _ in range(int(rng.integers(1, 3))):
            plain = relined(rng, plain)
        file.write_bytes(gzip.compress(plain, mtime=0) if content[:2] == b"\x1f\x8b" else plain)


# Zarr ---------------------------------------------------------------------------------------------------------------


def mutate_json(rng, text):
    try:
        declared = json.loads(text)
    except ValueError:
        return text
    holders = [declared]
    for holder in holders:
        holders += [value for value in holder.values() if isinstance(value, dict)]
    holder = holders[rng.integers(len(holders))]
    strange = [
        *(
            None,
            -1,
            10**18,
            "pickle",
            [],
            {},
            "|O",
            "<f8",
            "<i8",
            "|S5",
            "|b1",
            "<c16",
            "<U4",
            "<M8[ns]",
            0.5,
            True,
            "/etc",
        ),
        *(
            [10**12],
            [10**12, 10**12],
            [0],
            [3, 3, 3],
            [{"id": "pickle"}],
            {"id": "pickle"},
            [{"name": "numcodecs.pickle"}],
        ),
        *("NaN", [{"name": "bytes"}], {"name": "regular", "configuration": {"chunk_shape": [10**12]}}, "csr_matrix"),
    ]
    if holder and rng.random() < 0.9:
        key = list(holder)[rng.integers(len(holder))]
        if rng.random() < 0.2:
            del holder[key]
        else:
            holder[key] = strange[rng.integers(len(strange))]
    else:
        holder["codecs"] = strange[rng.integers(len(strange))]
    return json.dumps(declared)


def mutate_store(rng, path, turn):
    read_parts = [file for file in sorted(path.rglob("*")) if file.is_file()]
    read_parts = [f for f in read_parts if f.relative_to(path).parts[0] in {"obs", "var", "X", ".zgroup", "zarr.json"}]
    metadata = [file for file in read_parts if file.name in {".zarray", ".zattrs", ".zgroup", "zarr.json"}]
    pieces = [file for file in read_parts if file not in metadata]
    if turn % 6 in {0, 1, 2}:
        file = metadata[rng.integers(len(metadata))]
        file.write_text(mutate_json(rng, file.read_text()))
    elif turn % 6 == 3:
        file = pieces[rng.integers(len(pieces))]
        file.write_bytes(BYTES[rng.integers(len(BYTES))](rng, file.read_bytes()))
    elif turn % 6 == 4:
        read_parts[rng.integers(len(read_parts))].unlink()
    else:
        file = read_parts[rng.integers(len(read_parts))]
        file.unlink()
        file.symlink_to([Path("/etc/passwd"), file, path][rng.integers(3)])


# The cases ----------------------------------------------------------------------------------------------------------


def mutate(number, path):
    """Change a whole atlas by the hand of this case."""
    rng = np.random.default_rng([5, number])
    turn = number // len(BASES)
    if path.suffix == ".zarr":
        mutate_store(rng, path, turn)
    elif path.is_dir():
        mutate_texts(rng, path, turn)
    elif turn % 4 == 3:
        path.write_bytes(BYTES[rng.integers(len(BYTES))](rng, path.read_bytes()))
    else:
        for i in range(1 + int(rng.random() < 0.3)):
            with h5py.File(path, "a") as file:
                if len(file):
                    HDF5[(turn + i * 5) % len(HDF5)](rng, file)


def check_processed(processed):
    """The invariants that `process` documents."""
    counts = processed.X
    assert sparse.issparse(counts)
    assert (counts.format, counts.dtype) == ("csr", np.int32)
    assert counts.has_sorted_indices
    assert (counts.data > 0).all()
    assert (np.diff(counts.indptr) > 0).all()
    assert (np.bincount(counts.indices, minlength=counts.shape[1]) > 0).all()
    assert counts.indices.max(initial=-1) < counts.shape[1]
    assert processed.obs["n_counts"].tolist() == counts.sum(axis=1, dtype=np.int64).ravel().tolist()[0]
    labels = [name for name in ("cell_type", "donor", "batch", "assay") if name in processed.obs]
    assert processed.obs.columns.tolist() == [*labels, "n_counts", "n_genes"]
    assert labels[:3] == ["cell_type", "donor", "batch"]
    for name in labels:
        assert set(processed.obs[name].cat.categories) == set(processed.obs[name].astype(str))
        assert "" not in processed.obs[name].cat.categories
    assert processed.var.columns.tolist() == ["symbol", "mapped"]
    assert processed.obs_names.is_unique
    assert processed.var_names.is_unique
    told = [*processed.obs_names, *processed.var_names, *processed.var["symbol"]]
    told += [label for name in labels for label in processed.obs[name].cat.categories]
    pa.array(told, pa.string())
    assert not any(char in text for text in told for char in "\x00\x1b\n\r")
    assert set(processed.uns["scfm"]) == {"tissue", "organism", "simulated", "counts_from", "repairs"}


def named(error, path):
    """Whether an error says where it is: the file, or one of those beside it."""
    assert error.place.startswith((str(path), f"atlas '{path.stem}'")), error.place
    assert error.problem
    assert "MemoryError" not in str(error), str(error)
    assert "Traceback" not in str(error)
    return error


def judge(path, number):
    """Take an atlas in as it is guessed and as it is declared, inspect it one of these ways; say how it went."""
    outcomes = []
    try:
        declared = guess_spec(path)
    except ScfmError as error:
        named(error, path)
        declared = None
    labels = {"donor": "donor_id"} if path.suffix in {".h5ad", ".zarr", ".loom"} else {"cell_type": None}
    fixed = AtlasSpec("fixed", path, duplicates="sum", drop_empty=True, **labels)
    for spec in (declared, fixed):
        if spec is None:
            continue
        refusal = None
        try:
            processed = process(read(spec), spec)
            check_processed(processed)
            if spec is fixed and number % 3 == 0:
                write.write_h5ad(path.parent / "processed.h5ad", processed)
            outcomes.append("used")
        except ScfmError as error:
            refusal = named(error, path)
            outcomes.append("refused")
        if (spec is fixed) != (number % 2 == 0) and declared is not None:
            continue
        try:
            found = inspect_file(path, spec)
            text = found.text()
            assert not any(ord(char) < 32 and char != "\n" for char in text)
            text.encode()
            assert found.ok == (refusal is None), (found.refusals, refusal)
        except ScfmError as error:
            named(error, path)
            assert refusal is not None
    return max(outcomes, default="unreadable")  # used before refused


def run(first, step, n):
    """Go through every `step`-th case; a line for each, so that whoever watches knows which one was the last."""
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    scouting.SECONDS = 3.0
    warnings.simplefilter("error")
    with tempfile.TemporaryDirectory() as folder:
        whole = {name: made(Path(folder) / name) for name, made in BASES.items()}
        for number in range(first, n, step):
            base = list(BASES)[number % len(BASES)]
            path = Path(folder) / "case" / base
            shutil.rmtree(path.parent, ignore_errors=True)
            path.parent.mkdir()
            (shutil.copytree if whole[base].is_dir() else shutil.copyfile)(whole[base], path)
            faulthandler.dump_traceback_later(SECONDS, exit=True)
            print(json.dumps({"case": number, "base": base}), flush=True)
            try:
                mutate(number, path)
                outcome, why = judge(path, number), None
            except Exception:  # noqa: BLE001 - this is what the cases are about
                outcome, why = "broken", traceback.format_exc()
            faulthandler.cancel_dump_traceback_later()
            print(json.dumps({"case": number, "base": base, "outcome": outcome, "why": why}), flush=True)


if __name__ == "__main__":
    run(*map(int, sys.argv[1:4]))
