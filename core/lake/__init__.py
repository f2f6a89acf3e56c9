"""The lake: activity events and their hourly sums in DuckLake. One program writes, any number read.

DuckDB is used here and nowhere else but in the SQL beside these modules.
"""

from core.lake.ownership import LakeBusy
from core.lake.reader import LakeReader, open_reader
from core.lake.writer import LakeWriter, Unstorable, open_writer

__all__ = ["LakeBusy", "LakeReader", "LakeWriter", "Unstorable", "open_reader", "open_writer"]
