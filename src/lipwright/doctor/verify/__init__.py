"""What the published model files say about everything that could not be told without them.

A row measures one thing on a real file and compares it with what the engine takes for granted. The rows follow
`TABLE` in `lipwright.doctor.verify.table`.
"""

from lipwright.doctor.verify.case import Report, Row
from lipwright.doctor.verify.table import verify

__all__ = ["Report", "Row", "verify"]
