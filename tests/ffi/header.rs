//! `include/gort.h` is what cbindgen makes of `src/ffi`.

use std::path::Path;

const HEAD: &str = "\
/* gort: Go's goroutine runtime for native programs. https://crates.io/crates/gort

   Names are gort_<noun>_<verb>. A call that may wait takes a deadline, a point of the monotonic clock in
   nanoseconds (gort_after makes one; GORT_FOREVER waits as long as it takes, 0 not at all). Calls return
   0 or a negative error of <errno.h>: -EINVAL for null and other bad arguments.

   Handles are opaque, may be used from any goroutine or thread, and are freed once, when nobody uses
   them any more. Blocking calls park the calling goroutine; on a plain thread they block the thread.

   Everything a goroutine's function is given must outlive its use. A goroutine may continue on another
   thread after any call that waits.

   Made by cbindgen from src/ffi: do not edit. */";

#[test]
fn the_header_is_what_the_library_exports() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let path = root.join("include/gort.h");
    let mut made = Vec::new();
    bindings(root).write(&mut made);
    let made = String::from_utf8(made).expect("text");
    if std::env::var_os("GORT_UPDATE").is_some() {
        std::fs::write(&path, &made).expect("include/ can be written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        kept == made,
        "include/gort.h is out of date: GORT_UPDATE=1 cargo test --test ffi header"
    );
}

fn bindings(root: &Path) -> cbindgen::Bindings {
    let config = cbindgen::Config {
        language: cbindgen::Language::C,
        header: Some(HEAD.to_owned()),
        include_guard: Some("GORT_H".to_owned()),
        cpp_compat: true,
        usize_is_size_t: true,
        documentation_style: cbindgen::DocumentationStyle::C99,
        sys_includes: vec!["stddef.h".to_owned(), "stdint.h".to_owned()],
        no_includes: true,
        line_length: 100,
        function: cbindgen::FunctionConfig {
            no_return: Some("__attribute__((noreturn))".to_owned()),
            ..cbindgen::FunctionConfig::default()
        },
        ..cbindgen::Config::default()
    };
    // The room's other files are found by its `mod` lines.
    let builder =
        cbindgen::Builder::new().with_config(config).with_src(root.join("src/ffi/mod.rs"));
    builder.generate().expect("cbindgen understands src/ffi")
}
