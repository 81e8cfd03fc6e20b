//! Programs in C, C++ and Python, compiled and run as their authors would.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Where cargo has put the libraries of this build.
fn libraries() -> PathBuf {
    let test = std::env::current_exe().expect("the test's own path");
    test.parent().expect("a directory").to_owned()
}

/// How a program is linked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Link {
    Static,
    Shared,
    /// Against nothing of ours.
    No,
}

pub(crate) fn text(output: &Output) -> String {
    let both = [&output.stdout[..], &output.stderr[..]].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn done(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, text(&output));
    text(&output)
}

/// Compiles a file of the repository; warnings are errors.
pub(crate) fn compile(source: &str, link: Link) -> PathBuf {
    compile_with(source, link, &[])
}

fn compile_with(source: &str, link: Link, flags: &[&str]) -> PathBuf {
    let (compiler, standard) =
        if source.ends_with(".cc") { ("c++", "-std=c++17") } else { ("cc", "-std=c11") };
    let variant = flags.concat().replace(|c: char| !c.is_alphanumeric(), "");
    let name = format!("{}-{link:?}{variant}", source.replace(['/', '.'], "-"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let mut command = Command::new(compiler);
    command.args([standard, "-g", "-O1", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]).args(flags);
    command.args(["-D_GNU_SOURCE", "-I", &format!("{ROOT}/include")]);
    command.arg(Path::new(ROOT).join(source)).arg("-o").arg(&program);
    let at = libraries();
    match link {
        Link::Static => command.arg(at.join("libgort.a")),
        Link::Shared => {
            command.arg(at.join("libgort.so")).arg(format!("-Wl,-rpath,{}", at.display()))
        }
        Link::No => &mut command,
    };
    done(command.args(["-lpthread", "-ldl", "-lm"]));
    program
}

fn output(source: &str, link: Link, args: &[&str]) -> String {
    done(Command::new(compile(source, link)).args(args))
}

#[test]
fn every_function_keeps_its_promises() {
    let groups = "locals\nruntime\nchannels\nselect\ntasks\nsync\ntime\npanics\n";
    assert_eq!(output("tests/ffi/all.c", Link::Static, &[]), groups);
    let groups = "stacks\nstreams\nwaits\nconnections\nothers\n";
    assert_eq!(output("tests/ffi/fd.c", Link::Static, &[]), groups);
}

/// Builds with checks know what a handle is of; a crooked address is refused by all.
#[test]
fn wrong_handles_are_refused() {
    let debug = if cfg!(debug_assertions) { "debug" } else { "release" };
    assert_eq!(output("tests/ffi/handles.c", Link::Static, &[debug]), "refused\n");
}

/// With the library as it is, which knows nothing of it: what C does is watched. (`.ci/c` watches the
/// library, too.)
#[test]
fn address_sanitizer_has_nothing_to_say_about_programs_in_c() {
    for name in ["hello", "echo", "callbacks"] {
        let source = format!("examples/c/{name}.c");
        let program = compile_with(&source, Link::Static, &["-fsanitize=address,undefined"]);
        let said = done(&mut Command::new(program));
        assert!(!said.contains("runtime error") && !said.contains("=="), "{name}: {said}");
    }
}

fn examples(link: Link) {
    let examples: [(&str, &[&str], &str); 7] = [
        ("hello.c", &[], "the answer is 42\n"),
        ("sieve.c", &["100"], "prime 100 is 541\n"),
        ("echo.c", &[], "1000 messages came back\n"),
        ("mergesort.c", &[], "sorted 200000, recursed 20000 deep\n"),
        ("callbacks.c", &[], "0123456789\n"),
        ("pingpong.c", &["1000"], "1000 rounds: "),
        ("exceptions.cc", &[], "500 halves, 500 exceptions\n"),
    ];
    for (name, args, says) in examples {
        let said = output(&format!("examples/c/{name}"), link, args);
        assert!(said.starts_with(says), "{name}, {link:?}: {said}");
    }
}

#[test]
fn the_examples_run_with_the_static_library() {
    examples(Link::Static);
}

#[test]
fn the_examples_run_with_the_shared_library() {
    examples(Link::Shared);
}

#[test]
fn exceptions_of_cpp_stay_with_their_goroutine() {
    for link in [Link::Static, Link::Shared] {
        let program = compile("tests/ffi/exceptions.cc", link);
        for mode in ["auto", "pinned"] {
            let said = done(Command::new(&program).env("GORT_THREAD_LOCALS", mode));
            assert_eq!(said, "exceptions\n", "{link:?}, {mode}");
        }
    }
}

#[test]
fn thread_locals_of_c_belong_to_the_goroutine() {
    if !cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
        return; // they are the threads' elsewhere
    }
    for link in [Link::Static, Link::Shared] {
        assert_eq!(output("tests/ffi/locals.c", link, &[]), "locals\n");
    }
    // The library comes late, so that its own thread-locals are allocated on first use.
    let library = libraries().join("libgort.so");
    let program = compile_with("tests/ffi/locals.c", Link::No, &["-DLOAD"]);
    assert_eq!(done(Command::new(program).arg(&library)), "locals\n");
}

#[test]
fn an_exception_that_leaves_a_goroutine_ends_the_process_with_a_word() {
    let program = compile("tests/ffi/exceptions.cc", Link::Static);
    let ended = Command::new(program).arg("leave").output().expect("it runs");
    let said = text(&ended);
    if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
        assert_eq!(ended.status.code(), Some(2), "{said}");
        assert!(said.contains("fatal error: a foreign exception (C++?) left a function"), "{said}");
        assert!(said.contains("throws_out"), "the stack is whole: {said}");
    } else {
        assert!(!ended.status.success(), "{said}");
    }
}

#[test]
fn a_running_program_loads_the_library() {
    let library = libraries().join("libgort.so");
    let host = compile("tests/ffi/host.c", Link::No);
    assert_eq!(done(Command::new(host).arg(&library)), "sum 1000\n");
    let script = Path::new(ROOT).join("tests/ffi/host.py");
    assert_eq!(done(Command::new("python3").arg(script).arg(&library)), "total 210\n");
}

/// The steps of the readme, into a directory of our own; then the two projects of `examples/c`.
#[test]
fn projects_find_the_installed_library() {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("installed");
    let install = Path::new(ROOT).join("install.sh");
    done(Command::new("sh").arg(install).arg(&root).env("GORT_LIBRARIES", libraries()));
    let examples = Path::new(ROOT).join("examples/c");
    let pkgconfig = root.join("lib/pkgconfig");
    for kind in ["static", "shared"] {
        let out = root.join(kind);
        let mut make = Command::new("make");
        make.arg("-C").arg(&examples).arg(format!("OUT={}", out.display())).arg(kind);
        done(make.env("PKG_CONFIG_PATH", &pkgconfig));
        let said = done(Command::new(out.join("hello")).env("LD_LIBRARY_PATH", root.join("lib")));
        assert_eq!(said, "the answer is 42\n", "{kind}");
    }
    if Command::new("cmake").arg("--version").output().is_err() {
        eprintln!("skipped: there is no cmake (.ci/tools installs it)");
    } else {
        let out = root.join("cmake");
        let prefix = format!("-DCMAKE_PREFIX_PATH={}", root.display());
        let (from, to) = (examples.as_os_str(), out.as_os_str());
        let mut configure = Command::new("cmake");
        configure.args(["-S".as_ref(), from, "-B".as_ref(), to]).arg(prefix);
        done(configure.env("PKG_CONFIG_PATH", &pkgconfig));
        done(Command::new("cmake").arg("--build").arg(&out));
        for name in ["hello_static", "hello_shared"] {
            let library = root.join("lib");
            let said = done(Command::new(out.join(name)).env("LD_LIBRARY_PATH", library));
            assert_eq!(said, "the answer is 42\n", "{name}");
        }
    }
}
