"""Build scripts of the template: they run on a build agent or a laptop and drive Azure ML through its SDK.

What also runs on the compute keeps the import names that it has there, `forecasting` and `azure_ml`: the folder
mlops_code of the same checkout is put on the path, so that a copy of the repository never imports another one.
"""

import sys
from pathlib import Path

sys.path.insert(1, str(Path(__file__).resolve().parent.parent / "mlops_code"))
