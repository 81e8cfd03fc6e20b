"""Inside gdb: steps through every instruction of arch/<cpu>.s that `driver gdb` reaches and checks
at each that the backtrace is the right one, so that the unwind information is exact everywhere.

    gdb -batch -ex 'python connect = "run"' -x step.py --args driver gdb >/dev/null

`connect` is the command that starts the program up to its first stop ("target remote .." for qemu).
The result goes to standard error and into the exit status: gdb reports every step on its output.
"""

import os

import gdb

ROUTINES = ["gort_switch", "gort_switched", "gort_pc", "gort_start", "gort_entry", "gort_outermost",
            "gort_call_on"]
TRAPS = ("ud2", "udf", "unimp", "int3", "c.unimp", ".inst", "nop", ".word", "xchg")

MAIN = ["gdb_resume", "gdb_pass"]
BODY = ["gdb_body", "gort_entry"]
SEGMENT = BODY
OUTERMOST = ["gdb_pass"]


def say(*words):
    os.write(2, (" ".join(map(str, words)) + "\n").encode())


def backtrace():
    """Names of the callers of the current frame, up to main's callee."""
    names, frame = [], gdb.newest_frame().older()
    while frame is not None and frame.name() != "main":
        names.append(frame.name())
        frame = frame.older()
        if len(names) > 30:
            raise gdb.GdbError("endless backtrace")
    reached_main = frame is not None
    return names, reached_main


def instructions():
    """Every instruction of the routines: address -> text, without traps and padding."""
    found, shadow, last = {}, False, 0
    for routine in ROUTINES:
        try:
            listing = gdb.execute("disassemble '%s'" % routine, to_string=True)
        except gdb.error:
            continue  # a routine this CPU does not need
        for line in listing.splitlines():
            line = line.replace("=>", "  ").strip()
            if not line.startswith("0x"):
                continue
            address, text = line.split(None, 1)
            text = text.split(":", 1)[1].strip()
            # For machines with shadow stacks, up to where the common path goes on.
            shadow = text.startswith("rdssp") or shadow and not text.startswith(("lea", "endbr"))
            if not shadow and not text.startswith(TRAPS) and "undefined" not in text:
                found[int(address, 16)] = text
            if text.startswith("ud2") and last in found and found[last].startswith("endbr"):
                del found[last]  # the landing pad of a trap
            last = int(address, 16)
    return found


def expected(here, on_main):
    """The backtraces that are right in a routine, given the stack in use."""
    main, body = (MAIN, True), (BODY, False)
    # On x86-64 a switch goes on by a jump, and after the exchange of rsp the caller is its target.
    jump_main, jump_body = (["gort_switch"] + MAIN, True), (["gort_switch"] + BODY, False)
    jump_start = (["gort_start"], False)
    if here in ("gort_switch", "gort_switched"):
        return [main, jump_main] if on_main else [body, jump_body, jump_start]
    if here == "gort_pc":
        return [jump_main] if on_main else [jump_body]
    if here in ("gort_start", "gort_entry"):
        return [main, jump_main, ([], False)] if on_main else [([], False)]
    if here == "gort_call_on":
        return [(SEGMENT, False)]
    if here == "gort_outermost":
        return [(OUTERMOST, True), ([], False)]
    raise gdb.GdbError("unexpected routine " + here)


def step_through():
    gdb.execute("set pagination off")
    gdb.execute("set confirm off")
    gdb.execute("break gdb_pass")
    gdb.execute(connect)  # noqa: F821, set on the command line
    if gdb.selected_frame().name() != "gdb_pass":
        gdb.execute("continue")
    home = int(gdb.parse_and_eval("(unsigned long)$sp"))
    todo = instructions()
    total, steps, wrong = len(todo), 0, []
    while True:
        try:
            frame = gdb.newest_frame()
        except gdb.error:
            break
        if frame.name() == "main":
            break
        pc = frame.pc()
        if pc in todo:
            on_main = abs(int(gdb.parse_and_eval("(unsigned long)$sp")) - home) < 65536
            got = backtrace()
            if got not in expected(frame.name(), on_main):
                wrong.append("%s at %#x, %s: %s" % (frame.name(), pc, todo[pc], got))
            seen[pc] = todo[pc]
        gdb.execute("stepi", to_string=True)
        steps += 1
        if steps > 20000:
            raise gdb.GdbError("does not come to an end")
    missed = ["%#x: %s" % item for item in todo.items() if item[0] not in seen]
    say("gdb: %d instructions, %d steps, %d not reached, %d wrong backtraces"
          % (total, steps, len(missed), len(wrong)))
    for line in missed:
        say("not reached:", line)
    for line in wrong[:20]:
        say("wrong:", line)
    gdb.execute("kill")
    gdb.execute("quit %d" % (1 if missed or wrong else 0))


seen = {}
try:
    step_through()
except Exception as error:  # gdb -batch would go on and report success
    say("gdb:", type(error).__name__, error)
    gdb.execute("quit 2")
