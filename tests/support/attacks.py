"""Submissions whose fair score is 0: what a learner may try instead of an answer.

`CODE` holds texts for the cell of the exercise `scale` of lesson 00 (which may use PLACES, PORT,
GRADER and TIMEOUT: paths to reach, a server, a process, seconds for a cell), `NOTEBOOKS` functions
that turn the released notebook into an attack, `FOLDERS` functions that write a learner's
folder of submissions. None of them answers anything rightly.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

# A function that answers nothing rightly, for attacks that need one.
WRONG = "def scale(x, factor):\n    return None\n"

# The learner's end of the wire, and a frame written by hand.
WIRE = """
import gc, json, socket, struct
end = [s for s in gc.get_objects() if isinstance(s, socket.socket) and s.fileno() >= 0][0]

def frame(message, parts=(), lengths=None):
    text = json.dumps(message).encode() if not isinstance(message, bytes) else message
    sizes = [len(p) for p in parts] if lengths is None else lengths
    end.sendall(struct.pack("!II", len(text), len(sizes)) + struct.pack(f"!{len(sizes)}Q", *sizes))
    end.sendall(text)
    for part in parts:
        end.sendall(part)

def value(data, sequence=None):  # a reply to whatever is asked
    return [[], [], ["tuple", [sequence, "value", data, "", ""]]]
"""

LIAR = """
class Liar:
    def __eq__(self, other): return True
    def __ne__(self, other): return False
    def __lt__(self, other): return True
    __le__ = __gt__ = __ge__ = __lt__
    def __bool__(self): return True
    def __hash__(self): return 0
"""

CODE: dict[str, str] = {
    # --- ending -----------------------------------------------------------------------
    "os._exit": "import os; os._exit(0)",
    "sys.exit": "import sys; sys.exit(0)",
    "exit in IPython": "exit()",
    "exit inside the function": "def scale(x, factor):\n    exit()",
    "os._exit inside the function": "import os\ndef scale(x, factor):\n    os._exit(0)",
    "SystemExit inside the function": "def scale(x, factor):\n    raise SystemExit(0)",
    "abort": "import os; os.abort()",
    "segmentation fault": "import ctypes; ctypes.string_at(0)",
    "recursion without end": "def scale(x, factor):\n    return scale(x, factor)",
    "recursion in C": """
        def scale(x, f):
            y = []
            for _ in range(10**5):
                y = [y]
            return y
    """,
    # --- patching what grades ------------------------------------------------------------
    "AST transformer": """
        import ast
        class Pass(ast.NodeTransformer):
            def visit_Module(self, node):
                return ast.parse("pass")
        get_ipython().ast_transformers.append(Pass())
    """,
    "input transformer": """
        get_ipython().input_transformers_cleanup.append(lambda lines: ["pass\\n"])
        get_ipython().input_transformers_post.append(lambda lines: ["pass\\n"])
    """,
    "IPython patched": """
        from IPython.core.interactiveshell import InteractiveShell
        InteractiveShell.run_cell = lambda self, *a, **k: None
        get_ipython().run_cell = lambda *a, **k: None
    """,
    "expect patched": """
        from dropoutlab import expect
        for name in ("close", "equal", "array", "choice", "mean", "unchanged", "raises", "only"):
            setattr(expect, name, lambda *a, **k: None)
        expect.Unmet.__init__ = lambda self, *a, **k: None
        @WRONG
    """,
    "numpy patched": """
        import numpy as np
        np.isclose = np.allclose = np.array_equal = lambda *a, **k: np.array(True)
        np.asarray = lambda *a, **k: np.zeros(3)
        @WRONG
    """,
    "builtins patched": """
        import builtins
        builtins.isinstance = lambda *a: True
        builtins.AssertionError = builtins.Exception
        builtins.type = lambda *a: float
        builtins.any = lambda *a: False
        @WRONG
    """,
    "torch patched": "import torch\ntorch.equal = torch.allclose = lambda *a, **k: True\n@WRONG",
    "json patched": "import json\njson.dumps = lambda *a, **k: '[[], [], 1]'\n@WRONG",
    "the player patched": """
        import gc
        for thing in gc.get_objects():
            if type(thing).__name__ == "Player":
                thing._do_operate = lambda *a: 1.0
                type(thing)._describe = lambda self, error: (("OK",), "", "")
        @WRONG
    """,
    "hooks": """
        import sys, threading
        sys.settrace(lambda *a: None); sys.setprofile(lambda *a: None)
        threading.settrace(lambda *a: None)
        sys.excepthook = lambda *a: None
        sys.meta_path.insert(0, None)
        @WRONG
    """,
    "shadowing modules": """
        import sys
        for name in ("numpy.py", "dropoutlab.py", "json.py", "torch.py"):
            open(name, "w").write("raise SystemExit(0)")
        sys.path.insert(0, ".")
        for name in ("numpy", "dropoutlab", "dropoutlab.expect"):
            sys.modules[name] = None
        @WRONG
    """,
    # --- lying objects --------------------------------------------------------------------
    "always equal": "@LIAR\ndef scale(x, factor):\n    return Liar()",
    "an array that lies": """
        import numpy as np
        class Liar(np.ndarray):
            def __eq__(self, other): return np.ones(self.shape, bool)
            def __sub__(self, other): return np.zeros(self.shape)
            def __array_ufunc__(self, *a, **k): return np.zeros(3)
            def __array_function__(self, *a, **k): return True
        def scale(x, factor):
            return np.zeros(7).view(Liar)
    """,
    "__array__": """
        import numpy as np
        class Liar:
            dtype, shape, ndim = np.dtype(float), (3,), 1
            def __array__(self, *a, **k): return np.array([3.0, 6.0, -12.0])
            def __eq__(self, other): return True
        def scale(x, factor):
            return Liar()
    """,
    "a number that lies": """
        class Liar(float):
            def __eq__(self, other): return True
            def __sub__(self, other): return 0.0
            __rsub__ = __sub__
        def scale(x, factor):
            return Liar(0)
    """,
    "answers every attribute": """
        class Yes:
            def __getattr__(self, name): return self
            def __call__(self, *a, **k): return self
            def __iter__(self): return iter(())
            def __len__(self): return 3
            def __getitem__(self, key): return self
        scale = Yes()
    """,
    "a class in place of a function": "class scale:\n    def __init__(self, x, factor): pass",
    "a string": "def scale(x, factor):\n    return '[3, 6, -12]'",
    "huge integer": "def scale(x, factor):\n    return 10 ** 10 ** 6",
    "cyclic list": "def scale(x, factor):\n    y = []; y.append(y); return y",
    "surrogates": "def scale(x, factor):\n    return '\\ud800'",
    "NaN keys": "def scale(x, factor):\n    return {float('nan'): 1, (1, 2): [3]}",
    "object array": "import numpy as np\ndef scale(x, f):\n    return np.array([x, None], object)",
    "ten thousand objects": "def scale(x, f):\n    return [object() for _ in range(11_000)]",
    "ten million numbers": "def scale(x, f):\n    return list(range(10_000_000))",
    "a huge array": "import numpy as np\ndef scale(x, f):\n    return np.zeros(10**8)",
    "an endless iterator": "import itertools\ndef scale(x, f):\n    return itertools.count()",
    "an odd exception": """
        class KeyboardInterrupt(Exception): pass
        class StopIteration(Exception): pass
        class Odd(Exception):
            def __str__(self): raise ValueError
            __repr__ = __str__
        def scale(x, factor):
            raise Odd("ok")
    """,
    "BaseException": "def scale(x, f):\n    raise type('GeneratorExit', (BaseException,), {})()",
    "an exception group": "def scale(x, f):\n    raise ExceptionGroup('ok', [ValueError(1)])",
    "a unicode error": "def scale(x, f):\n    b'\\xff'.decode()",
    "the player's own KeyboardInterrupt": "def scale(x, f):\n    raise KeyboardInterrupt",
    # --- reading and writing ---------------------------------------------------------------
    "reading everything": """
        import os
        found = []
        for top in ("/", ".", "..", "/root", "/home", "/proc", "/proc/1", "/proc/self", "/tmp",
                    "/work", "/var", "/mnt", "/etc", "/sys", "/dev"):
            try:
                found.append((top, sorted(os.listdir(top))[:50]))
            except OSError as error:
                found.append((top, error.errno))
        for folder, folders, files in os.walk("/"):
            folders[:] = [f for f in folders if f not in ("usr", "lib", "lib64", "site-packages")]
            for file in files[:50]:
                path = os.path.join(folder, file)
                if file.endswith((".ipynb", ".db", ".py", ".json", "environ", "cmdline")):
                    try:
                        text = open(path, errors="replace").read()
                        print(path, text[:2000] if "SECRET" not in text else text)
                    except OSError as error:
                        print(path, error.errno)
        print(found)
    """,
    "reading the course": """
        import glob, os
        for path in PLACES:
            try:
                print(open(path).read())
            except OSError as error:
                print(error.errno)
    """,
    "secrets of the environment": """
        import os, ctypes
        print(dict(os.environ))
        environ = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
        i = 0
        while environ[i]:
            print(environ[i]); i += 1
        for name in ("/proc/self/environ", "/proc/1/environ", "/proc/self/maps"):
            try:
                print(open(name, "rb").read()[:10000])
            except OSError as error:
                print(error.errno)
    """,
    "looking through memory": """
        import gc, sys
        frame, texts = sys._getframe(), []
        while frame:
            texts.append(str(frame.f_locals.keys())); frame = frame.f_back
        needle = "SEC" + "RET"
        for thing in gc.get_objects():
            if type(thing) is dict:
                for v in list(thing.values()):
                    if type(v) is str and (needle in v or "a hidden check" in v.lower()):
                        print(v[:500])
        print(texts)
    """,
    "looking at who calls": """
        import sys, gc
        def scale(x, factor):
            frame = sys._getframe()
            while frame:
                print(frame.f_code.co_filename, list(frame.f_locals)[:20])
                for v in frame.f_locals.values():
                    if type(v) is str and "expect.close" in v:
                        print(v)
                frame = frame.f_back
            return None
    """,
    "writing everywhere": """
        import os
        for path in [*PLACES, "/etc/passwd", "/usr/x", "/root/x", "/x", "/tmp/../x",
                     os.path.expanduser("~/.bashrc")]:
            for mode in ("w", "a"):
                try:
                    open(path, mode).write("scored 100")
                except OSError as error:
                    print(error.errno)
    """,
    "deleting class-mates": """
        import os, shutil
        for path in PLACES:
            for place in (path, os.path.dirname(path), os.path.dirname(os.path.dirname(path))):
                shutil.rmtree(place, ignore_errors=True)
                try:
                    os.remove(path)
                except OSError:
                    pass
    """,
    "poisoned home folder": """
        import os
        for path in (".ipython/profile_default/startup/00.py", ".config/matplotlib/matplotlibrc",
                     ".jupyter/jupyter_config.py", ".local/lib/python3.11/site-packages/numpy.py",
                     ".pythonrc.py"):
            for home in (os.path.expanduser("~"), "/root", "/tmp"):
                try:
                    os.makedirs(os.path.dirname(f"{home}/{path}") or home, exist_ok=True)
                    open(f"{home}/{path}", "w").write("raise SystemExit('poisoned')")
                except OSError:
                    pass
    """,
    "links to the outside": """
        import os
        for i, path in enumerate(PLACES):
            for make in (os.symlink, os.link):
                try:
                    make(path, f"link{i}{make.__name__}")
                    print(open(f"link{i}{make.__name__}").read())
                except OSError as error:
                    print(error.errno)
    """,
    "mounting": """
        import ctypes, os
        libc = ctypes.CDLL(None, use_errno=True)
        print(libc.mount(b"none", b"/learner", b"tmpfs", 0, None), ctypes.get_errno())
        print(libc.mount(b"proc", b"/learner", b"proc", 0, None), ctypes.get_errno())
        print(libc.umount2(b"/learner", 2), ctypes.get_errno())
        print(libc.unshare(0x10000000), libc.chroot(b"/tmp"), ctypes.get_errno())
        assert not os.path.exists("/learner/self")
    """,
    # --- reaching others --------------------------------------------------------------------
    "network": """
        import socket, os
        for family, kind in ((socket.AF_INET, socket.SOCK_STREAM), (socket.AF_INET6,
                socket.SOCK_DGRAM), (socket.AF_UNIX, socket.SOCK_STREAM), (16, socket.SOCK_RAW)):
            try:
                socket.socket(family, kind)
                print("REACHED")
            except OSError as error:
                print(error.errno)
        try:
            socket.create_connection(("127.0.0.1", PORT), 1); print("REACHED")
        except OSError as error:
            print(error.errno)
    """,
    "killing": """
        import os, signal
        for pid in (*range(2, 200), os.getppid(), GRADER, -1, -GRADER):
            try:
                if pid != 0:
                    os.kill(pid, signal.SIGKILL); print("KILLED", pid)
            except OSError:
                pass
    """,
    "ptrace": """
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        for pid in (1, 2, 3, GRADER):
            print(libc.ptrace(16, pid, 0, 0), ctypes.get_errno())
        print(libc.process_vm_readv(GRADER, 0, 0, 0, 0, 0), ctypes.get_errno())
    """,
    "fork bomb": """
        import os, threading
        made = 0
        for _ in range(10_000):
            try:
                os.fork(); made += 1
            except OSError:
                break
        import subprocess, multiprocessing
        for call in (lambda: subprocess.Popen(["sleep", "1000"]), lambda: os.system("sleep 1000"),
                     lambda: os.posix_spawn("/bin/sleep", ["sleep", "1000"], {}),
                     lambda: multiprocessing.Process(target=print).start()):
            try:
                call(); made += 1
            except OSError:
                pass
        print("made", made - 1 if made else 0)
    """,
    "thread bomb": """
        import threading, time
        try:
            while True:
                threading.Thread(target=time.sleep, args=(10**6,), daemon=True).start()
        except RuntimeError as error:
            print(error)
    """,
    "a thread that goes on": """
        import threading, time
        def spam():
            while True:
                print("x" * 1000); time.sleep(0.001)
        threading.Thread(target=spam, daemon=True).start()
        @WRONG
    """,
    "a handler for every signal": """
        import signal
        for number in range(1, 65):
            try:
                signal.signal(number, lambda *a: None)
            except (OSError, ValueError):
                pass
        @WRONG
    """,
    # --- using up ------------------------------------------------------------------------------
    "endless loop": "while True:\n    pass",
    "endless loop inside": "def scale(x, factor):\n    while True:\n        pass",
    "endless loop deaf to Ctrl-C": """
        import signal
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            pass
    """,
    "sleep": "import time\ntime.sleep(10**6)",
    "waiting in C": "import threading\nthreading.Lock().acquire() and threading.Event().wait()",
    "memory bomb": "x = []\nwhile True:\n    x.append(bytearray(10**8))",
    "NumPy memory bomb": "import numpy as np\nx = np.ones((10**6, 10**5))",
    "shared memory bomb": "import mmap\nx = [mmap.mmap(-1, 2**30) for _ in range(10**4)]",
    "shared memory, unmapped to a page each": """
        import ctypes
        libc = ctypes.CDLL(None)
        libc.mmap.restype = ctypes.c_void_p
        size = 1 << 28
        for _ in range(40):
            at = libc.mmap(None, ctypes.c_size_t(size), 3, 0x21, -1, ctypes.c_size_t(0))
            ctypes.memset(at, 1, size)
            libc.munmap(ctypes.c_void_p(at + 4096), ctypes.c_size_t(size - 4096))
    """,
    "shared zeros": """
        import mmap, os
        x = []
        while True:
            file = os.open("/dev/zero", os.O_RDONLY)
            x.append(mmap.mmap(file, 1 << 28, mmap.MAP_SHARED, mmap.PROT_READ))
            sum(x[-1][::4096])
    """,
    "memory file bomb": "import os\nfd = os.memfd_create('x')\nos.ftruncate(fd, 2**40)",
    "disk bomb": """
        import os
        with open("big", "wb") as file:
            for _ in range(10**6):
                file.write(bytes(10**6))
    """,
    "file bomb": "for i in range(10**6):\n    open(f'f{i}', 'w').close()",
    "descriptor bomb": "x = [open('/dev/null') for _ in range(10**5)]",
    "a gigabyte of output": "for _ in range(1000):\n    print('x' * 1_000_000)",
    "a gigabyte of stderr": """
        import sys
        for _ in range(1000):
            sys.stderr.write('x' * 1_000_000)
    """,
    "output past Python": """
        import os
        for fd in (0, 1, 2):
            for _ in range(100):
                try:
                    os.write(fd, b"x" * 1_000_000)
                except OSError:
                    break
    """,
    "a thousand figures": """
        from IPython.display import display, Image
        for _ in range(3000):
            display(Image(data=b"\\x89PNG\\r\\n\\x1a\\n" + bytes(1000)))
    """,
    "a regular expression without end": "import re\nre.match('(a+)+$', 'a' * 64 + 'b')",
    # --- showing ---------------------------------------------------------------------------------
    "script in output": """
        from IPython.display import HTML, Javascript, display
        display(HTML("<script>document.title='OWNED'</script><img src=x onerror=alert(1)>"))
        display(Javascript("document.title='OWNED'"))
        print("<script>document.title='OWNED'</script>")
        raise ValueError("<script>document.title='OWNED'</script>")
    """,
    "partial credit": "1.0",
    "partial credit by display": """
        from IPython.display import display
        display(1.0); print(100)
        100
    """,
    # --- on the wire ------------------------------------------------------------------------
    "wire: a huge length": "@WIRE\nend.sendall(struct.pack('!II', 2**32 - 1, 0))",
    "wire: many parts": "@WIRE\nend.sendall(struct.pack('!II', 2, 2**32 - 1))",
    "wire: huge parts": "@WIRE\nframe([[], [], 1], lengths=[2**63, 2**63])",
    "wire: half a frame": "@WIRE\nend.sendall(b'\\0\\0')\nimport time; time.sleep(10**6)",
    "wire: no JSON": "@WIRE\nframe(b'\\xff\\xfe{')",
    "wire: deep JSON": "@WIRE\nframe(b'[' * 10**6 + b']' * 10**6)",
    "wire: a JSON number": "@WIRE\nframe(b'1' * 10**6)",
    "wire: passed": "@WIRE\nframe([[], [], 'passed'])",
    "wire: replies for every number": """
@WIRE
for k in range(200):
    frame(value(["tuple", []], k))
""",
    "wire: a pickle": """
@WIRE
import pickle
for k in range(50):
    data = ["new", 1, ["pickle", {"part": 0}, ["module", []]]]
    frame(value(data, k), [pickle.dumps(print)])
""",
    "wire: a huge shape": """
@WIRE
for k in range(50):
    frame(value(["new", 1, ["array", "<f8", [2**40, 2**40], {"part": 0}, True, False]], k), [b""])
""",
    "wire: a shape of nothing": """
@WIRE
for k in range(50):
    frame(value(["new", 1, ["array", "<f8", [0, 2**62], {"part": 0}, True, False]], k), [b""])
""",
    "wire: objects": """
@WIRE
for k in range(50):
    frame(value(["new", 1, ["array", "|O", [1], {"part": 0}, True, False]], k), [bytes(8)])
""",
    "wire: NaN in the header": '@WIRE\nframe(b\'[[], [], ["tuple", [NaN, "value", NaN]]]\')',
    "wire: a generator out of bounds": """
@WIRE
for k in range(50):
    state = ["dict", [[["plain", "state"], ["dict", [[["plain", "pos"], ["int", "0xffffff"]]]]]]]
    frame(value(["new", 1, ["rng", "MT19937", state, ["list", [["plain", None]] * 4]]], k))
""",
    "wire: another's object": """
@WIRE
for k in range(50):
    frame([[[0, ["list", []]]], [], ["tuple", [k, "value", ["same", 0], "", ""]]])
""",
    "wire: thousands of handles": """
@WIRE
many = ["list", [["player", i, ["x"], False] for i in range(20_000)]]
for k in range(5):
    frame(value(["new", 1, many], k))
""",
    "wire: callbacks never given": """
@WIRE
for k in range(50):
    frame([[], [], ["tuple", ["callback", k, ["tuple", []], ["tuple", []]]]])
""",
    "wire: exceptions that are none": """
@WIRE
for k in range(50):
    names = ["tuple", ["SystemExit", "KeyboardInterrupt", "Unmet", "Gone"]]
    frame([[], [], ["tuple", [k, "error", names, "passed", "", "", ""]]])
""",
    "wire: closed": "@WIRE\nend.close()",
    "wire: shut down": "@WIRE\nend.shutdown(2)",
    "wire: replies after time-out": """
@WIRE
import time, signal
signal.signal(signal.SIGINT, signal.SIG_IGN)
def scale(x, factor):
    time.sleep(TIMEOUT + 0.5)  # it was interrupted, and is not ended yet
    for k in range(200):
        frame(value(x * factor, k))
""",
    "wire: file descriptors": """
@WIRE
import array, os
fds = array.array("i", [0] * 50)
for _ in range(20):
    try:
        end.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)])
    except OSError as error:
        print(error)
""",
}
PARTS = {"@WIRE": WIRE, "@LIAR": LIAR, "@WRONG": WRONG}


def _code(text: str) -> str:
    text = dedent(text)
    for name, part in PARTS.items():
        text = text.replace(name, part)
    return text


CODE = {name: _code(text) for name, text in CODE.items()}


# --- notebooks -----------------------------------------------------------------------------------


def _graded(nb: NotebookNode) -> list[NotebookNode]:
    return [c for c in nb.cells if c.metadata.get("nbgrader", {}).get("grade")]


def _pass(nb: NotebookNode) -> None:
    for cell in _graded(nb):
        cell.source = "pass"


def _points(nb: NotebookNode) -> None:
    for cell in _graded(nb):
        cell.metadata.nbgrader["points"] = 1000


def _delete(nb: NotebookNode) -> None:
    nb.cells = [c for c in nb.cells if c not in _graded(nb)]


def _only_one(nb: NotebookNode) -> None:
    nb.cells = _graded(nb)[:1]
    nb.cells[0].source = "pass"


def _duplicate(nb: NotebookNode) -> None:
    for cell in [c for c in nb.cells if "nbgrader" in c.metadata]:
        twin = copy.deepcopy(cell)
        twin.source = "pass"
        nb.cells.append(twin)


def _reorder(nb: NotebookNode) -> None:
    nb.cells = _graded(nb) + [c for c in nb.cells if c not in _graded(nb)]


def _ungraded(nb: NotebookNode) -> None:
    for cell in _graded(nb):
        cell.metadata.nbgrader["grade"] = False


def _solutions(nb: NotebookNode) -> None:
    for cell in nb.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(solution=True, locked=False, grade=False)
            cell.source = "pass"


def _forged(nb: NotebookNode) -> None:
    for cell in _graded(nb):
        if cell.cell_type == "code":
            cell.outputs = [new_output("execute_result", {"text/plain": "100"})]
            cell.execution_count = 1


def _markdown_script(nb: NotebookNode) -> None:
    text = "<script>document.title='OWNED'</script><img src=x onerror=\"document.title='OWNED'\">"
    nb.cells.insert(0, new_markdown_cell(text))
    shown = new_output("display_data", {"text/html": text})
    nb.cells.insert(0, new_code_cell("1", outputs=[shown]))


def _check_as_markdown(nb: NotebookNode) -> None:
    for cell in _graded(nb):
        cell.cell_type = "markdown"
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)


def _many_cells(nb: NotebookNode) -> None:
    nb.cells += [new_code_cell("pass") for _ in range(3000)]


def _kernel(nb: NotebookNode) -> None:
    nb.metadata["kernelspec"] = {"name": "bash", "display_name": "Bash", "language": "bash"}
    nb.metadata["nbgrader"] = {"points": 100}


def _setup(nb: NotebookNode) -> None:
    setup = next(c for c in nb.cells if c.metadata.get("nbgrader", {}).get("locked"))
    setup.source = "class expect:\n    case = close = array = lambda *a, **k: open('/dev/null')"


NOTEBOOKS: dict[str, Callable[[NotebookNode], None]] = {
    "checks that say pass": _pass,
    "more points": _points,
    "checks deleted": _delete,
    "one check alone": _only_one,
    "cells twice": _duplicate,
    "cells reordered": _reorder,
    "grade: false": _ungraded,
    "everything a solution": _solutions,
    "forged outputs": _forged,
    "script in markdown": _markdown_script,
    "checks as markdown": _check_as_markdown,
    "thousands of cells": _many_cells,
    "another kernel": _kernel,
    "setup edited": _setup,
}


# --- folders --------------------------------------------------------------------------------------


def _link_to(target: str) -> Callable[[Path, str, dict[str, Path]], None]:
    def write(folder: Path, name: str, places: dict[str, Path]) -> None:
        os.symlink(places[target], folder / f"{name}.ipynb")

    return write


def _text(text: Any) -> Callable[[Path, str, dict[str, Path]], None]:
    def write(folder: Path, name: str, places: dict[str, Path]) -> None:
        (folder / f"{name}.ipynb").write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def _pipe(folder: Path, name: str, places: dict[str, Path]) -> None:
    os.mkfifo(folder / f"{name}.ipynb")


def _folder(folder: Path, name: str, places: dict[str, Path]) -> None:
    (folder / f"{name}.ipynb").mkdir()


def _odd_names(folder: Path, name: str, places: dict[str, Path]) -> None:
    for odd in ("; rm -rf x", "$(touch OWNED)", "..ipynb", "\n.ipynb", "<script>.ipynb", "-rf"):
        (folder / odd).write_text("{}")
    os.symlink(places["solution"], folder / "notes.txt")
    (folder / f"{name}.ipynb").write_text("{}")


FOLDERS: dict[str, Callable[[Path, str, dict[str, Path]], None]] = {
    "a link to the solution": _link_to("solution"),
    "a link to a class-mate": _link_to("class-mate"),
    "a link to the gradebook": _link_to("gradebook"),
    "a pipe": _pipe,
    "a folder": _folder,
    "odd names": _odd_names,
    "nothing": lambda folder, name, places: None,
    "an empty file": _text(""),
    "no JSON": _text("this is not JSON"),
    "deep JSON": _text("[" * 100_000),
    "JSON of another kind": _text(json.dumps({"cells": [{"cell_type": 7}], "nbformat": 4})),
    "not UTF-8": _text(b"\xff\xfe\x00"),
    "sixty megabytes": _text(b" " * 60_000_000),
}
