"""Benchmark data, found, counted and hashed before anything is trained: in a data directory, or on the Hub."""

from talan_eval.tasks.datafiles.archive import ArchiveFile, read_archive
from talan_eval.tasks.datafiles.hub import HubSource, read_hub
from talan_eval.tasks.datafiles.local import DATA_DIR_VARIABLE, DataFile, named_data_dir, read_rows
from talan_eval.tasks.datafiles.origin import FoundData, describe_sources, read_sources

__all__ = [
    "DATA_DIR_VARIABLE",
    "ArchiveFile",
    "DataFile",
    "FoundData",
    "HubSource",
    "describe_sources",
    "named_data_dir",
    "read_archive",
    "read_hub",
    "read_rows",
    "read_sources",
]
