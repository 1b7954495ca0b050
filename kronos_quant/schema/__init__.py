"""The data contract: the columns of bars between the packages, and one table of everything that a workspace holds.

`tables()` lists every Parquet and CSV file, `documents()` every JSON file, each with the meaning and unit of every
column or key. The meanings are data: columns.yaml and figures.yaml in this folder. Writers call `check_table`.
"""

from kronos_quant.schema.bars import (
    BARS,
    DAILY,
    FEATURES,
    INSTRUMENTS,
    NUMBERS,
    PRICES,
    UNIVERSES,
    quantile_columns,
    quantile_name,
)
from kronos_quant.schema.figures import Figure, JsonFile, documents, flatten
from kronos_quant.schema.tables import (
    Column,
    Table,
    TableError,
    check_columns,
    check_table,
    dtype_text,
    table,
    table_at,
    tables,
)

__all__ = [
    "BARS",
    "DAILY",
    "FEATURES",
    "INSTRUMENTS",
    "NUMBERS",
    "PRICES",
    "UNIVERSES",
    "Column",
    "Figure",
    "JsonFile",
    "Table",
    "TableError",
    "check_columns",
    "check_table",
    "documents",
    "dtype_text",
    "flatten",
    "quantile_columns",
    "quantile_name",
    "table",
    "table_at",
    "tables",
]
