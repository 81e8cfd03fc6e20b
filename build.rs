//! Picks the context-switch backend: one table from target to `arch/` file, two cfgs to force it.
//!
//! What it tells the crate:
//! * `cfg(gort_arch)` and `GORT_ARCH_FILE`: this target has a file in `arch/`; it is assembled into
//!   the crate whichever backend is chosen, because both end a goroutine's backtrace with it.
//! * `cfg(gort_own_tls)`: goroutines can have thread-locals of their own on this target (`src/tls`).
//! * `cfg(gort_switch = "portable")` (corosensei, the default) or `cfg(gort_switch = "native")`
//!   (`arch/`, with `RUSTFLAGS="--cfg gort_native"`).
//!
//! * `cfg(gort_asan)`: the program is built with AddressSanitizer (`src/switch/tools.rs`).
//!
//! To add a CPU: write the file (arch/README.md has the contract) and add its row.

use std::env;
use std::path::Path;

/// Architecture, pointer width, what else the target must have, file. The files are for ELF and the
/// ABI that Linux uses on the CPU; with soft floats the callee-saved registers would be others.
const ARCH_FILES: &[(&str, &str, Needs, &str)] = &[
    ("x86_64", "64", Needs::Nothing, "x86_64.s"),
    ("aarch64", "64", Needs::Feature("neon"), "aarch64.s"),
    ("riscv64", "64", Needs::Triple(&["riscv64gc-", "riscv64a23-"]), "riscv64.s"),
    ("x86", "32", Needs::Nothing, "x86.s"),
    ("arm", "32", Needs::Abi("eabihf"), "arm.s"),
];

/// A condition of a row beyond CPU and width.
enum Needs {
    Nothing,
    /// A target feature.
    Feature(&'static str),
    /// A variant of the ABI.
    Abi(&'static str),
    /// One of these beginnings of the triple, for features that stable compilers do not name.
    Triple(&'static [&'static str]),
}

impl Needs {
    fn met(&self) -> bool {
        match self {
            Needs::Nothing => true,
            Needs::Feature(name) => var("CARGO_CFG_TARGET_FEATURE").split(',').any(|f| f == *name),
            Needs::Abi(name) => var("CARGO_CFG_TARGET_ABI") == *name,
            Needs::Triple(starts) => starts.iter().any(|s| var("TARGET").starts_with(s)),
        }
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(gort_arch)");

    // Only compilers that can build with a sanitizer say so.
    println!("cargo::rustc-check-cfg=cfg(gort_asan)");
    if var("CARGO_CFG_SANITIZE").split(',').any(|name| name == "address") {
        println!("cargo::rustc-cfg=gort_asan");
    }

    let file = arch_file();
    if let Some(file) = file {
        let path = Path::new(&var("CARGO_MANIFEST_DIR")).join("arch").join(file);
        println!("cargo::rerun-if-changed={}", path.display());
        println!("cargo::rustc-env=GORT_ARCH_FILE={}", path.display());
        println!("cargo::rustc-cfg=gort_arch");
    }

    println!("cargo::rustc-check-cfg=cfg(gort_own_tls)");
    if own_tls() {
        println!("cargo::rustc-cfg=gort_own_tls");
    }

    let backend = match (is_set("gort_native"), is_set("gort_portable")) {
        (true, true) => {
            return refuse("--cfg gort_native and --cfg gort_portable exclude each other");
        }
        (true, false) if file.is_none() => {
            let target = var("TARGET");
            return refuse(&format!(
                "--cfg gort_native, but arch/ has no context switch for {target}; see arch/README.md"
            ));
        }
        (true, false) => "native",
        (false, _) => "portable",
    };
    println!("cargo::rustc-cfg=gort_switch=\"{backend}\"");
}

/// Whether the thread register can be moved here and the C library's layout be found out.
fn own_tls() -> bool {
    var("CARGO_CFG_TARGET_OS") == "linux"
        && var("CARGO_CFG_TARGET_ARCH") == "x86_64"
        && var("CARGO_CFG_TARGET_POINTER_WIDTH") == "64"
        && var("CARGO_CFG_TARGET_ENV") == "gnu"
        && !is_set("miri")
}

/// The row of the table that fits the target, if one does.
fn arch_file() -> Option<&'static str> {
    // Mach-O and COFF spell symbols and sections otherwise, and Windows has another ABI; x32 and
    // ILP32 have the CPU's name but not the pointer width the file was written for.
    let elf = var("CARGO_CFG_TARGET_FAMILY") == "unix" && var("CARGO_CFG_TARGET_VENDOR") != "apple";
    let (arch, width) = (var("CARGO_CFG_TARGET_ARCH"), var("CARGO_CFG_TARGET_POINTER_WIDTH"));
    let little = var("CARGO_CFG_TARGET_ENDIAN") == "little";
    // Miri interprets; it cannot run assembly.
    let real = !is_set("miri");
    ARCH_FILES
        .iter()
        .find(|(a, w, needs, _)| elf && little && real && *a == arch && *w == width && needs.met())
        .map(|(_, _, _, file)| *file)
}

/// Cargo hands `--cfg name` over as `CARGO_CFG_NAME`.
fn is_set(cfg: &str) -> bool {
    env::var_os(format!("CARGO_CFG_{}", cfg.to_uppercase())).is_some()
}

fn var(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn refuse(why: &str) {
    println!("cargo::error={why}");
}
