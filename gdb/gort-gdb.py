"""gdb: the goroutines of a program that runs, or of its core.

    (gdb) source gort-gdb.py
    (gdb) info goroutines             every goroutine: number, state, where it is
    (gdb) goroutine 7 bt              a command on goroutine 7: bt, info locals, up 2, ...
    (gdb) goroutine all bt            on each of them

A goroutine that runs is on a thread, and the command is run there. One that waits is on none: its
registers lie in its control block, and an unwinder of ours makes them the caller's of the selected
thread's innermost frame while the command runs. Nothing in the program is changed, so that cores work
as well as processes.

gdb is kept from the C library's library for debuggers (libthread_db): that one tells threads by their thread
register, which a goroutine with thread-locals of its own has moved, and gdb then refuses to continue
the program. Without it gdb knows threads as the kernel does, and cannot print thread-locals. So load this
file before the program runs.

The program tells where everything lies (`gort_debug_layout`, src/g/debug.rs), whatever debug
information it has.
"""

import re

import gdb
from gdb.unwinder import Unwinder, register_unwinder

VERSION = 1
RUNNABLE, RUNNING, WAITING, DEAD = 1, 2, 4, 6

# Names of program counter, stack and frame pointer by the architecture's name.
REGISTERS = (
    ("i386:x86-64", ("rip", "rsp", "rbp")),
    ("i386", ("eip", "esp", "ebp")),
    ("aarch64", ("pc", "sp", "x29")),
    ("riscv", ("pc", "sp", "fp")),
    ("arm", ("pc", "sp", "r11")),
)

# Functions at the inner end of a stack that are not the program's: the runtime's, and how C dies.
OURS = re.compile(
    r"^(<?(gort::|gort_|corosensei|core::|std::|alloc::)|__rust|__pthread_kill|(__GI_)?(raise|abort)$)"
)


def names_of(architecture):
    name = architecture.name()
    for prefix, registers in REGISTERS:
        if name.startswith(prefix):
            return registers
    raise gdb.GdbError("gort: nobody has told this script about " + name)


def address_of(symbol):
    try:
        return int(gdb.parse_and_eval("(unsigned long)&" + symbol))
    except gdb.error:
        return None


class Memory:
    """Words of the program."""

    def __init__(self):
        self.inferior = gdb.selected_inferior()
        self.word_size = gdb.lookup_type("unsigned long").sizeof

    def number(self, at, size):
        return int.from_bytes(self.inferior.read_memory(at, size).tobytes(), "little")

    def word(self, at):
        return self.number(at, self.word_size)

    def text(self, at, length):
        return self.inferior.read_memory(at, length).tobytes().decode("utf-8", "replace")


class Table:
    """A struct of words in the program, by the names of its members."""

    def __init__(self, memory, symbol, members):
        at = address_of(symbol)
        if at is None:
            raise gdb.GdbError("gort: this program has no " + symbol + " (is gort in it?)")
        self.end = at
        for member in members.split():
            setattr(self, member, memory.word(self.end))
            self.end += memory.word_size


LAYOUT = """version all next id parent status reason declared limit top segment segment_limit
    segment_top segment_outer pc sp fp created reasons"""
BIRTHS = "used first size id parent status created"


class Goroutine:
    """What a control block says."""

    def __init__(self, memory, layout, at):
        self.id = memory.number(at + layout.id, 8)
        self.parent = memory.number(at + layout.parent, 8)
        self.status = memory.number(at + layout.status, 4) & 0xFF
        self.reason = memory.number(at + layout.reason, 1)
        self.declared = memory.number(at + layout.declared, 4)
        self.created = memory.word(at + layout.created)
        self.saved = tuple(memory.word(at + m) for m in (layout.pc, layout.sp, layout.fp))
        self.stacks = [(memory.word(at + layout.limit), memory.word(at + layout.top))]
        segment = memory.word(at + layout.segment)
        while segment != 0 and len(self.stacks) < 10000:
            limit = memory.word(segment + layout.segment_limit)
            self.stacks.append((limit, memory.word(segment + layout.segment_top)))
            segment = memory.word(segment + layout.segment_outer)
        self.text = {RUNNABLE: "runnable", RUNNING: "running"}.get(self.status, "waiting")
        if self.status == RUNNING and self.declared > 0:
            self.text = "syscall"
        if self.status == WAITING:
            entry = layout.end + self.reason * 2 * memory.word_size
            self.text = memory.text(memory.word(entry), memory.word(entry + memory.word_size))

    def has(self, sp):
        return any(limit <= sp <= top for limit, top in self.stacks)


class Unborn:
    """A goroutine that has no stack yet."""

    status, text, saved = RUNNABLE, "runnable", (0, 0, 0)

    def __init__(self, memory, births, at):
        self.id = memory.number(at + births.id, 8)
        self.parent = memory.number(at + births.parent, 8)
        self.created = memory.word(at + births.created)

    def has(self, _sp):
        return False


def goroutines():
    """All of them, by number."""
    memory = Memory()
    layout = Table(memory, "gort_debug_layout", LAYOUT)
    if layout.version != VERSION:
        raise gdb.GdbError(
            "gort: the program is of version %d, this script of %d" % (layout.version, VERSION)
        )
    found, at = [], layout.all
    while at != 0:
        if memory.number(at + layout.status, 4) & 0xFF in (RUNNABLE, RUNNING, WAITING):
            found.append(Goroutine(memory, layout, at))
        at = memory.word(at + layout.next)
    births = Table(memory, "gort_debug_births", BIRTHS)
    for number in range(births.used):
        at = births.first + number * births.size
        if memory.number(at + births.status, 4) & 0xFF == RUNNABLE:
            found.append(Unborn(memory, births, at))
    return sorted(found, key=lambda g: g.id)


class FrameId:
    """What tells a frame from others."""

    def __init__(self, sp, pc):
        self.sp, self.pc = sp, pc


class Parked(Unwinder):
    """Leads from the selected thread's innermost frame into a parked goroutine, while one is chosen."""

    def __init__(self):
        super().__init__("gort")
        self.from_sp = self.to = None

    def choose(self, goroutine):
        frame = gdb.newest_frame()
        self.from_sp = int(frame.read_register(names_of(frame.architecture())[1]))
        self.to = goroutine.saved
        gdb.invalidate_cached_frames()

    def forget(self):
        self.to = None
        gdb.invalidate_cached_frames()

    def __call__(self, pending):
        if self.to is None:
            return None
        names = names_of(pending.architecture())
        registers = [pending.read_register(name) for name in names]
        if int(registers[1]) != self.from_sp:
            return None
        # Frames are told apart, and put in order, by their place: this one is below the goroutine's.
        word = registers[1].type.sizeof
        place = gdb.Value(self.to[1] - 16 * word).cast(registers[1].type)
        info = pending.create_unwind_info(FrameId(place, registers[0]))
        for name, register, value in zip(names, registers, self.to):
            info.add_saved_register(name, gdb.Value(value).cast(register.type))
        return info


PARKED = Parked()
register_unwinder(None, PARKED, True)


class On:
    """With the frames of a goroutine: its thread selected, or its saved registers in the unwinder."""

    def __init__(self, goroutine):
        self.goroutine, self.before, self.is_parked = goroutine, gdb.selected_thread(), False

    def __enter__(self):
        if self.before is None:
            raise gdb.GdbError("gort: the program is not being run, and there is no core")
        if self.goroutine.status == RUNNING:
            for thread in gdb.selected_inferior().threads():
                thread.switch()
                frame = gdb.newest_frame()
                if self.goroutine.has(int(frame.read_register(names_of(frame.architecture())[1]))):
                    return frame
            raise gdb.GdbError("gort: its thread is not to be found")
        pc, sp, _fp = self.goroutine.saved
        if pc == 0 or pc == address_of("gort_entry") or not self.goroutine.has(sp):
            raise gdb.GdbError("gort: it has not begun")
        self.is_parked = True
        PARKED.choose(self.goroutine)
        frame = gdb.newest_frame().older()
        if frame is None:
            raise gdb.GdbError("gort: no frame is to be found")
        return frame

    def __exit__(self, *_):
        if self.is_parked:
            PARKED.forget()
        if self.before is not None:
            self.before.switch()


SYMBOLS = {}


def is_ours(frame):
    """By the frame's name, and by the linker's: debug information may have names without paths."""
    pc = frame.pc()
    if pc not in SYMBOLS:
        SYMBOLS[pc] = gdb.execute("info symbol 0x%x" % pc, to_string=True)
    return OURS.match(frame.name()) or OURS.match(SYMBOLS[pc])


def place(frame):
    """The innermost function of the program's own."""
    first, steps = frame, 0
    while frame is not None and steps < 64:
        # What is inlined may have a name without its path: the function it is in tells whose it is.
        if frame.type() != gdb.INLINE_FRAME and frame.name() and not is_ours(frame):
            return describe(frame)
        frame, steps = frame.older(), steps + 1
    return describe(first)


def describe(frame):
    line = frame.find_sal()
    name = frame.name() or hex(frame.pc())
    return "%s at %s:%d" % (name, line.symtab.filename, line.line) if line.symtab else name


class InfoGoroutines(gdb.Command):
    """List the goroutines: number, state, and where each of them is."""

    def __init__(self):
        super().__init__("info goroutines", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, _argument, _from_tty):
        for goroutine in goroutines():
            try:
                with On(goroutine) as frame:
                    mark, where = " " if PARKED.to else "*", place(frame)
            except gdb.GdbError:
                mark, where = " ", started_by(goroutine)
            print("%s %-4d %-22s %s" % (mark, goroutine.id, goroutine.text, where))


def started_by(goroutine):
    if goroutine.created == 0:
        return "started by goroutine %d" % goroutine.parent
    block = gdb.block_for_pc(goroutine.created)
    function = block.function if block is not None else None
    where = function.name if function is not None else hex(goroutine.created)
    return "started by goroutine %d in %s" % (goroutine.parent, where)


class GoroutineCommand(gdb.Command):
    """Run a command on a goroutine: goroutine NUMBER COMMAND, or goroutine all COMMAND."""

    def __init__(self):
        super().__init__("goroutine", gdb.COMMAND_STACK, gdb.COMPLETE_NONE)

    def invoke(self, argument, _from_tty):
        which, _, command = argument.partition(" ")
        command = command.strip()
        if not command or not (which == "all" or which.isdigit()):
            raise gdb.GdbError("usage: goroutine NUMBER COMMAND, or goroutine all COMMAND")
        wanted = [g for g in goroutines() if which == "all" or g.id == int(which)]
        if not wanted:
            raise gdb.GdbError("gort: there is no goroutine " + which)
        for goroutine in wanted:
            if which == "all":
                print("\ngoroutine %d [%s]:" % (goroutine.id, goroutine.text))
            try:
                self.run(goroutine, command)
            except gdb.GdbError as error:
                if which != "all":
                    raise
                print(error)

    @staticmethod
    def run(goroutine, command):
        with On(goroutine) as frame:
            frame.select()
            if not PARKED.to:
                gdb.execute(command)
                return
            # The thread's own frame is number 0: without it the goroutine's begin there.
            text = gdb.execute(command, to_string=True)
            frames = re.split(r"(?m)^(?=#\d+ )", text)
            shown = (frame for frame in frames if not frame.startswith("#0 "))
            renumber = lambda m: ("#%d" % (int(m[1]) - 1)).ljust(len(m[0]))
            print("".join(re.sub(r"^#(\d+) ", renumber, frame) for frame in shown), end="")


gdb.execute("set libthread-db-search-path /nonexistent")
InfoGoroutines()
GoroutineCommand()
