"""Makes each `TCPStore` of the installed PyTorch one without libuv, where it doesn't choose itself.

Debian's PyTorch has no libuv, but `use_libuv` defaults to true, and the rendezvous, torchrun's agent
and the process groups each make stores of their own. `USE_LIBUV=0` reaches only some of those.
"""

import ast
import importlib.util
from pathlib import Path


def main():
    # Found, not imported: that takes seconds.
    torch = Path(importlib.util.find_spec("torch").origin).parent
    changed = sum(change(path) for path in sorted((torch / "distributed").rglob("*.py")))
    if not changed:
        raise SystemExit("there is no store to change: has Debian's PyTorch got libuv by now?")
    print(f"{changed} stores without libuv")


def change(path):
    """Adds the argument to the calls in a file; how many there were."""
    source = path.read_text()
    if "TCPStore(" not in source:
        return 0
    calls = [node for node in ast.walk(ast.parse(source)) if makes_a_store(node)]
    lines = source.encode().splitlines(keepends=True)
    # From the last to the first, so that no place moves before its turn.
    for call in sorted(calls, key=lambda call: (call.end_lineno, call.end_col_offset), reverse=True):
        line, column = call.end_lineno - 1, call.end_col_offset - 1
        before = b"".join(lines[:line]) + lines[line][:column]
        comma = b"" if before.rstrip().endswith((b",", b"(")) else b", "
        lines[line] = lines[line][:column] + comma + b"use_libuv=False" + lines[line][column:]
    changed = b"".join(lines)
    compile(changed, str(path), "exec")
    path.write_bytes(changed)
    return len(calls)


def makes_a_store(node):
    if not isinstance(node, ast.Call):
        return False
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    given = {keyword.arg for keyword in node.keywords}
    return name == "TCPStore" and "use_libuv" not in given


main()
