/tmp/lead/train/target2/debug/deps/addr2line-4899109da7e8d1aa.d: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lib.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/frame.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/function.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/line.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lookup.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/unit.rs

/tmp/lead/train/target2/debug/deps/libaddr2line-4899109da7e8d1aa.rmeta: /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lib.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/frame.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/function.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/line.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lookup.rs /root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/unit.rs

/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lib.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/frame.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/function.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/line.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/lookup.rs:
/root/.cargo/registry/src/index.crates.io-1949cf8c6b5b557f/addr2line-0.27.1/src/unit.rs:
