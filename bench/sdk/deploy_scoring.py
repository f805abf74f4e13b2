"""Deploy one scoring folder with the plain SDK and print its address and key as JSON. Started by bench.scoring.

python bench/sdk/deploy_scoring.py NAME MODEL_FOLDER SCORING_FOLDER CONDA_FILE
"""

from __future__ import annotations

import json
import sys


def main(name: str, model: str, scoring: str, conda: str) -> int:
    """Register, deploy, wait. model: a folder below the working directory."""
    from azureml.core import Environment, Model, Workspace
    from azureml.core.model import InferenceConfig
    from azureml.core.webservice import AciWebservice

    workspace = Workspace.from_config()
    registered = Model.register(workspace, model_path=model, model_name=name)
    environment = Environment.from_conda_specification("bench-scoring", conda)
    inference = InferenceConfig(entry_script="score.py", source_directory=scoring, environment=environment)
    settings = AciWebservice.deploy_configuration(cpu_cores=0.5, memory_gb=1, auth_enabled=True)
    service = Model.deploy(workspace, name, [registered], inference, settings)
    service.wait_for_deployment(show_output=False)
    print()
    print(json.dumps({"url": service.scoring_uri, "key": service.get_keys()[0]}))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
