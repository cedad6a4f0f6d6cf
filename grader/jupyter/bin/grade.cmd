@rem `python3 grader grade`, for PowerShell and cmd in JupyterLab.
@"%DROPOUT_PYTHON%" "%~dp0..\.." grade %*
