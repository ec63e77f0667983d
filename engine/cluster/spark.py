"""Spark: `df.mapInArrow(label, label.schema(df.schema))`."""

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema
from pyspark.sql.types import StructType

from ..arrow import BatchTagger


class SparkTagger:
    """A function for `DataFrame.mapInArrow`; a Python worker of Spark loads the model once."""

    def __init__(self, tagger: BatchTagger) -> None:
        self._tagger = tagger

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from map(self._tagger, batches)

    def schema(self, schema: StructType) -> StructType:
        """What comes out of a data frame of that schema.

        Raises:
            InputError: it has no such column, or one of another type.
        """
        return from_arrow_schema(self._tagger.schema(to_arrow_schema(schema)))


def tag(model: str = "en", *, threads: int | None = 1, **options: Any) -> SparkTagger:
    """Labels a column; takes what `BatchTagger` takes.

    threads: cores a task computes on, as many as `spark.task.cpus`

    Raises:
        BundleError: there is no such model.
    """
    return SparkTagger(BatchTagger(model, threads=threads, **options))
