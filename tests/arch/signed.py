"""Inside gdb: writes the emulator's description of an aarch64 whose return addresses are signed, if
it has one that says which bits are the signature.

    gdb -batch -ex 'python connect = "target remote .."; description = "FILE"' -x signed.py

qemu says so since 8.1, in the second version of the feature, with the masks for the kernel's
addresses; gdb 13 knows the first, without them, and later ones know both.
"""

import gdb

gdb.execute("set pagination off")
gdb.execute("set confirm off")
gdb.execute(connect)  # noqa: F821, set on the command line
text = gdb.execute("maintenance print xml-tdesc", to_string=True)
lines = text[text.index("<?xml"):].splitlines()
if any("aarch64.pauth" in line for line in lines):
    with open(description, "w") as file:  # noqa: F821
        for line in lines:
            if "pauth" not in line or "_high" not in line:
                file.write(line.replace("pauth_v2", "pauth") + "\n")
gdb.execute("kill")
