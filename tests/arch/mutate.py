"""Do the tests notice when a register is not kept? Breaks, one after the other, every instruction of
arch/<cpu>.s that saves or restores a callee-saved register (or the return address), and runs the
driver: each of these mutants must fail. `.ci/arch --mutate` calls it, after `.ci/arch` has built.

    mutate.py CPU GNU_TRIPLE DIRECTORY [EMULATOR ..]
    mutate.py rust                the switch that is inlined from src/switch/native.rs
"""

import os
import re
import shutil
import subprocess
import sys

ABI = {
    "x86_64": r"rbx|rbp|r1[2-5]",
    "x86": r"ebx|ebp|esi|edi",
    "aarch64": r"x19|x2\d|x30|d8|d9|d1[0-5]",
    "riscv64": r"ra|s\d|s1[01]|fs\d|fs1[01]",
    "arm": r"r4|r5|r6|r7|r8|r9|r10|r11|lr|d8|d9|d1[0-5]",
}
COMMENT = {"x86_64": "#", "x86": "#", "aarch64": "//", "riscv64": "#", "arm": "@"}
# How to refer to memory, a register that nobody needs there, and nothing.
GARBAGE = 0x5EED


def x86(line, word, sp):
    """(register, what is wrong, mutant) for an instruction of either x86."""
    kept = ABI["x86_64" if word == 8 else "x86"]
    size = "qword" if word == 8 else "dword"
    if m := re.fullmatch(r"push\s+(%s)" % kept, line):
        yield m[1], "not saved", "push %d" % GARBAGE
    if m := re.fullmatch(r"pop\s+(%s)" % kept, line):
        yield m[1], "not restored", "lea %s, [%s + %d]" % (sp, sp, word)
    if m := re.fullmatch(r"mov\s+(\[.*\]), (%s)" % kept, line):
        yield m[2], "not saved", "mov %s ptr %s, %d" % (size, m[1], GARBAGE)
    if m := re.fullmatch(r"mov\s+(%s), .*" % kept, line):
        yield m[1], "not restored", "nop"
    if re.fullmatch(r"xor\s+ebp, ebp", line):
        yield "rbp" if word == 8 else "ebp", "not cleared", "nop"


def aarch64(line):
    kept = ABI["aarch64"]
    if m := re.fullmatch(r"(stp|ldp)\s+(\w+), (\w+), (.*)", line):
        store = m[1] == "stp"
        for i in (2, 3):
            if re.fullmatch(kept, m[i]):
                scratch = "d31" if m[i][0] == "d" else "xzr" if store else "x15"
                pair = [scratch if j == i else m[j] for j in (2, 3)]
                wrong = "not saved" if store else "not restored"
                yield m[i], wrong, "%s %s, %s, %s" % (m[1], *pair, m[4])
    if m := re.fullmatch(r"mov\s+(%s), .*" % kept, line):
        yield m[1], "not restored", "nop"
    if m := re.fullmatch(r"hint\s+#(25|29)", line):
        yield "x30", "not signed" if m[1] == "25" else "not authenticated", "nop"


def riscv64(line):
    kept = ABI["riscv64"]
    if m := re.fullmatch(r"(sd|fsd)\s+(%s), (.*)" % kept, line):
        yield m[2], "not saved", "%s %s, %s" % (m[1], "ft0" if m[1] == "fsd" else "zero", m[3])
    if m := re.fullmatch(r"(ld|fld)\s+(%s), (.*)" % kept, line):
        yield m[2], "not restored", "%s %s, %s" % (m[1], "ft0" if m[1] == "fld" else "t6", m[3])
    if m := re.fullmatch(r"(?:mv|li|addi)\s+(%s), .*" % kept, line):
        yield m[1], "not restored", "nop"


def arm(line):
    kept = ABI["arm"]
    if m := re.fullmatch(r"(v?)(push|pop)\s+\{(.*)\}", line):
        # A list stays as it is, so that the frame does; the word of one register is overwritten.
        width, scratch = (8, "d0") if m[1] else (4, "r12")
        store = "vstr" if m[1] else "str"
        for i, register in enumerate(r.strip() for r in m[3].split(",")):
            if re.fullmatch(kept + "|pc", register):
                overwrite = "%s %s, [sp, #%d]" % (store, scratch, i * width)
                if m[2] == "push":
                    yield register, "not saved", line + "\n" + overwrite
                else:
                    yield register, "not restored", overwrite + "\n" + line
    if m := re.fullmatch(r"str\s+(%s), (.*)" % kept, line):
        yield m[1], "not saved", "str r2, " + m[2]
    if m := re.fullmatch(r"(?:mov|ldr)\s+(%s), .*" % kept, line):
        yield m[1], "not restored", "nop"


RULES = {
    "x86_64": lambda line: x86(line, 8, "rsp"),
    "x86": lambda line: x86(line, 4, "esp"),
    "aarch64": aarch64,
    "riscv64": riscv64,
    "arm": arm,
}


def mutants(cpu, text):
    """(line number, routine, register, what is wrong, text of the mutant)."""
    lines, routine = text.splitlines(), None
    for i, line in enumerate(lines):
        if m := re.match(r"(gort_\w+):", line):
            routine = m[1]
        bare = line.split(COMMENT[cpu])[0].strip()
        bare = re.sub(r"^\w+:\s*", "", bare)
        for register, wrong, mutant in RULES[cpu](bare):
            yield i + 1, routine, register, wrong, "\n".join(lines[:i] + [mutant] + lines[i + 1:])


def survives(command, timeout=20):
    try:
        run = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                             timeout=timeout)
    except subprocess.TimeoutExpired:
        return False
    return run.returncode == 0


def assembly(cpu, gnu, directory, emulator):
    objects = [os.path.join(directory, name + ".o") for name in
               ("driver", "shadow", "unwind", "probe")]
    source, object_, program = (os.path.join(directory, "mutant" + e) for e in (".s", ".o", ""))
    total, alive, registers = 0, [], set()
    with open("arch/%s.s" % cpu) as f:
        text = f.read()
    for number, routine, register, wrong, mutant in mutants(cpu, text):
        with open(source, "w") as f:
            f.write(mutant + "\n")
        subprocess.run([gnu + "-as", "--defsym", "gort_standalone=1", source, "-o", object_],
                       check=True)
        subprocess.run([gnu + "-g++", "-o", program, *objects, object_], check=True)
        total += 1
        registers.add(register)
        if survives([*emulator, program]):
            alive.append("arch/%s.s:%d: %s: %s %s" % (cpu, number, routine, register, wrong))
    print("%s: %d mutants of %d registers, %d survived" % (cpu, total, len(registers), len(alive)))
    return alive


def rust():
    """The inlined switch, in a copy of the crate: its lines, and the clobbers it declares."""
    copy = "target/arch/crate"
    shutil.rmtree(copy, ignore_errors=True)
    os.makedirs(copy)
    for name in ("Cargo.toml", "Cargo.lock", "build.rs", "arch", "src", "benches", "README.md"):
        if os.path.isdir(name):
            shutil.copytree(name, os.path.join(copy, name))
        elif os.path.exists(name):
            shutil.copy(name, copy)
    path = os.path.join(copy, "src/switch/native.rs")
    with open(path) as f:
        lines = f.read().splitlines()
    test = ["cargo", "test", "--release", "--offline", "--lib", "--target-dir", "target/arch/cargo",
            "--manifest-path", os.path.join(copy, "Cargo.toml"), "switch::tests::on_native::"]
    if not survives(test, 600):
        raise SystemExit("rust: the tests fail without a mutation")
    total, alive = 0, []
    for i, line in enumerate(lines):
        broken = re.search(r'"mov  (\[rsi \+ \{(bx|fp)\}\], r[bx][xp]|r[b][xp], rax)"', line)
        if not broken and not re.search(r'lateout\("r1[2-5]"\) _', line):
            continue
        with open(path, "w") as f:
            f.write("\n".join(lines[:i] + lines[i + 1:]) + "\n")
        subprocess.run(test[:5] + ["--no-run"] + test[5:-1], check=True, stderr=subprocess.DEVNULL)
        total += 1
        if survives(test, 600):
            alive.append("src/switch/native.rs:%d: %s" % (i + 1, line.strip()))
    print("rust: %d mutants of the inlined switch, %d survived" % (total, len(alive)))
    return alive


def main():
    survivors = rust() if sys.argv[1:] == ["rust"] else assembly(*sys.argv[1:4], sys.argv[4:])
    for line in survivors:
        print("survived:", line)
    sys.exit(1 if survivors else 0)


main()
