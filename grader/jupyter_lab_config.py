"""JupyterLab's configuration of the course: where its own extension lies."""

from pathlib import Path

c = get_config()

c.LabApp.extra_labextensions_path = [
    str(Path(__file__).resolve().parent / "jupyter" / "labextensions")
]
