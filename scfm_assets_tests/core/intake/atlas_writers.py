"""Small atlases in every format that people have, written without the reader's help."""

import gzip
import warnings

import anndata
import h5py
import numcodecs
import numpy as np
import zarr
from scipy import io, sparse

from scfm_assets_tests.core.intake.small_atlas import small_atlas


def write_h5ad(path, adata, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        adata.write_h5ad(path, **options)
    return path


def write_zarr(path, adata, zarr_format=2):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with anndata.settings.override(zarr_write_format=zarr_format):
            adata.write_zarr(path)
    return path


def write_blosc_zarr(path, adata, zarr_format):
    compressor = {2: {"compressor": numcodecs.Blosc()}, 3: {"compressors": [zarr.codecs.BloscCodec()]}}[zarr_format]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        group = zarr.create_group(path, zarr_format=zarr_format)
        anndata.io.write_elem(group, "/", adata, dataset_kwargs=compressor)
    return path


def write_zarr_zip(path, adata):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zarr.storage.ZipStore(path, mode="w") as store:
            anndata.io.write_elem(zarr.create_group(store, zarr_format=3), "/", adata)
    return path


def features(n_genes):
    """Ids, symbols and types of genes."""
    ids = [f"ENSG{i:011d}" for i in range(n_genes)]
    return ids, [f"GENE{i}" for i in range(n_genes)], ["Gene Expression"] * n_genes


def barcodes(n_cells, groups=1):
    bases = ["".join("ACGT"[(i >> shift) & 3] for shift in range(0, 16, 2)) for i in range(n_cells)]
    return [f"{base}-{i % groups + 1}" for i, base in enumerate(bases)]


def write_tenx(path, counts, *, types=None, groups=1, **options):
    """Cell Ranger 3: features x cells by columns."""
    ids, names, kinds = features(counts.shape[1])
    matrix = sparse.csc_matrix(counts.T.astype(np.int32))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        for name, values in {
            "barcodes": np.array(barcodes(len(counts), groups), dtype="S"),
            "data": matrix.data,
            "indices": matrix.indices.astype(np.int64),
            "indptr": matrix.indptr.astype(np.int64),
            "shape": np.array(matrix.shape, dtype=np.int32),
            "features/id": np.array(ids, dtype="S"),
            "features/name": np.array(names, dtype="S"),
            "features/feature_type": np.array(types or kinds, dtype="S"),
            "features/genome": np.array(["GRCh38"] * len(ids), dtype="S"),
        }.items():
            group.create_dataset(name, data=values, **({} if name == "shape" else options))
    return path


def write_tenx_2(path, counts, genomes=("GRCh38",)):
    ids, names, _ = features(counts.shape[1])
    matrix = sparse.csc_matrix(counts.T.astype(np.int32))
    with h5py.File(path, "w") as file:
        for genome in genomes:
            group = file.create_group(genome)
            group["barcodes"] = np.array(barcodes(len(counts)), dtype="S")
            group["data"], group["indices"], group["indptr"] = matrix.data, matrix.indices, matrix.indptr
            group["shape"] = np.array(matrix.shape)
            group["genes"], group["gene_names"] = np.array(ids, dtype="S"), np.array(names, dtype="S")
    return path


def write_mtx(folder, counts, *, packed=True, prefix="", old=False, turned=False, types=None):
    """Cell Ranger's three texts; `old` for its second version, `turned` for cells x genes as other tools write."""
    folder.mkdir(exist_ok=True)
    ids, names, kinds = features(counts.shape[1])
    end = ".gz" if packed else ""
    opened = gzip.open if packed else open
    matrix = sparse.coo_matrix(counts if turned else counts.T)
    with opened(folder / f"{prefix}matrix.mtx{end}", "wb") as file:
        io.mmwrite(file, matrix, field="integer")
    rows = zip(ids, names, strict=True) if old else zip(ids, names, types or kinds, strict=True)
    with opened(folder / f"{prefix}{'genes' if old else 'features'}.tsv{end}", "wt") as file:
        file.write("".join("\t".join(row) + "\n" for row in rows))
    with opened(folder / f"{prefix}barcodes.tsv{end}", "wt") as file:
        file.write("".join(f"{barcode}\n" for barcode in barcodes(len(counts))))
    return folder


def write_loom(path, counts, *, layers=None, **options):
    ids, names, _ = features(counts.shape[1])
    text = h5py.string_dtype()
    with h5py.File(path, "w") as file:
        file.attrs["LOOM_SPEC_VERSION"] = "3.0.0"
        file.create_dataset("matrix", data=counts.T, **options)
        for name, layer in (layers or {}).items():
            file.create_dataset(f"layers/{name}", data=layer.T, **options)
        file.create_group("layers") if not layers else None
        file.create_dataset("row_attrs/Accession", data=ids, dtype=text)
        file.create_dataset("row_attrs/Gene", data=names, dtype=text)
        file.create_dataset("col_attrs/CellID", data=[f"cell{i}" for i in range(len(counts))], dtype=text)
        labels = small_atlas(counts).obs
        file.create_dataset("col_attrs/cell_type", data=labels["cell_type"].tolist(), dtype=text)
        file.create_dataset("col_attrs/donor_id", data=labels["donor_id"].tolist(), dtype=text)
        file.create_dataset("col_attrs/X_pca", data=np.zeros((len(counts), 3)))
        for name in ("row_graphs", "col_graphs"):
            file.create_group(name)
    return path
