"""What genes are called: identifiers, symbols, organisms, vocabularies of models."""

from scfm_assets.core.genes.date_names import FAMILIES, RENAMED, is_date, renamed, undate
from scfm_assets.core.genes.identifiers import (
    ENSEMBL,
    ORGANISMS,
    GeneNames,
    GeneTable,
    Repair,
    is_ensembl,
    name_genes,
    organism_of,
    other_orf,
    read_gene_pairs,
    read_gene_table,
    texts,
    unversioned,
)
from scfm_assets.core.genes.symbol_case import CASED, as_written_by, look_at
from scfm_assets.core.genes.vocabulary import SPECIAL_TOKENS, Vocabulary, build_vocabulary

__all__ = [
    "CASED",
    "ENSEMBL",
    "FAMILIES",
    "ORGANISMS",
    "RENAMED",
    "SPECIAL_TOKENS",
    "GeneNames",
    "GeneTable",
    "Repair",
    "Vocabulary",
    "as_written_by",
    "build_vocabulary",
    "is_date",
    "is_ensembl",
    "look_at",
    "name_genes",
    "organism_of",
    "other_orf",
    "read_gene_pairs",
    "read_gene_table",
    "renamed",
    "texts",
    "undate",
    "unversioned",
]
