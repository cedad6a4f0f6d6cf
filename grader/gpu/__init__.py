"""One run on a GPU that measures what no CPU can: `python3 grader gpu`.

The machine needs PyTorch, Triton, SciPy, matplotlib, scikit-learn and tqdm, and neither notebooks
nor a network. What else the run reads, `python3 grader gpu --bundle` writes into `.cache` on a
machine where the course runs. `python3 grader gpu --rehearse` tries all of it on a CPU.
"""

from grader.gpu.standin import stand_in

stand_in()
