//! What lies at the edges: huge frames, system calls into untouched stack, alternate signal stacks,
//! threads inside goroutines, huge pages.

use crate::alone::alone_with;
use gort::stack::remaining;
use std::hint::black_box;
use std::io::{Read, Write};
use std::mem::MaybeUninit;

/// A frame of `WORDS` words, of which only the far end is touched, then the near one.
#[inline(never)]
fn large_frame<const WORDS: usize>() -> u64 {
    let mut frame = MaybeUninit::<[u64; WORDS]>::uninit();
    let words = black_box(frame.as_mut_ptr().cast::<u64>());
    // SAFETY: both words lie in the frame.
    unsafe { words.write_volatile(1) };
    // SAFETY: as above.
    unsafe { words.add(WORDS - 1).write_volatile(2) };
    // SAFETY: just written.
    unsafe { words.read_volatile() + words.add(WORDS - 1).read_volatile() }
}

#[test]
fn large_frames_find_their_stack_at_any_depth() {
    gort::run(|| {
        assert_eq!(large_frame::<5_120>(), 3, "40 KB");
        assert_eq!(large_frame::<131_072>(), 3, "1 MB");
        fn at(depth: usize) -> u64 {
            let pad = black_box([depth as u8; 700]);
            let below = if depth == 0 { 0 } else { at(depth - 1) };
            black_box(&pad);
            below + large_frame::<5_120>() + large_frame::<131_072>()
        }
        assert_eq!(at(50), 51 * 6);
        gort::stack::ensure(2 << 20, || assert_eq!(large_frame::<131_072>(), 3));
        gort::stack::grow(|| gort::stack::grow(|| assert_eq!(large_frame::<131_072>(), 3)));
    });
}

#[test]
fn system_calls_write_to_stack_nobody_has_touched() {
    gort::run(|| {
        #[inline(never)]
        fn read_into_fresh_stack(from: &mut impl Read) -> usize {
            let mut buffer = MaybeUninit::<[u8; 100_000]>::uninit();
            // SAFETY: bytes of any value are valid; the kernel is their first writer.
            let buffer = unsafe { buffer.assume_init_mut() };
            let count = from.read(buffer).expect("no EFAULT");
            buffer[..count].iter().map(|b| usize::from(*b)).sum()
        }
        let (mut reader, mut writer) = std::io::pipe().unwrap();
        for segment in [false, true] {
            writer.write_all(&[1; 50_000]).unwrap();
            let sum = match segment {
                false => read_into_fresh_stack(&mut reader),
                true => gort::stack::grow(|| read_into_fresh_stack(&mut reader)),
            };
            assert_eq!(sum, 50_000);
        }
    });
}

#[test]
fn threads_live_inside_goroutines() {
    gort::run(|| {
        let sums: Vec<u64> = (0..4)
            .map(|i| {
                gort::spawn(move || {
                    gort::stack::grow(|| {
                        let inner = std::thread::spawn(move || {
                            gort::stack::grow(|| large_frame::<5_120>() + i)
                        });
                        std::thread::scope(|s| s.spawn(large_frame::<5_120>).join().unwrap())
                            + inner.join().unwrap()
                    })
                })
            })
            .map(|h| h.join().unwrap())
            .collect();
        assert_eq!(sums, [6, 7, 8, 9]);
    });
}

#[test]
fn stacks_are_never_made_of_huge_pages() {
    gort::run(|| {
        let own_flags = || {
            let here = 0_u8;
            flags_of_mapping(black_box(&raw const here).addr())
        };
        let (flags, segment) = (own_flags(), gort::stack::grow(own_flags));
        // Kernels without huge pages do not know the advice.
        if std::path::Path::new("/sys/kernel/mm/transparent_hugepage/enabled").exists() {
            for flags in [flags, segment] {
                assert!(flags.split_whitespace().any(|f| f == "nh"), "{flags}");
            }
        }
    });
}

/// The line `VmFlags` of the mapping that `address` lies in.
fn flags_of_mapping(address: usize) -> String {
    let smaps = std::fs::read_to_string("/proc/self/smaps").expect("/proc is mounted");
    let mut inside = false;
    for line in smaps.lines() {
        let range = line.split(' ').next().and_then(|r| r.split_once('-'));
        let range = range.and_then(|(a, b)| {
            Some(usize::from_str_radix(a, 16).ok()?..usize::from_str_radix(b, 16).ok()?)
        });
        if let Some(range) = range {
            inside = range.contains(&address);
        } else if inside && let Some(flags) = line.strip_prefix("VmFlags:") {
            return flags.to_owned();
        }
    }
    panic!("{address:x} is in no mapping")
}

#[test]
fn everything_holds_with_guards_by_mprotect() {
    let guard = [("GORT_GUARD", "mprotect")];
    alone_with("edges::everything_holds_with_guards_by_mprotect", &guard, || {
        gort::run(|| {
            let lives: Vec<_> = (0..100).map(|_| gort::spawn(remaining)).collect();
            assert!(lives.into_iter().all(|h| h.join().unwrap() > 1 << 29));
            gort::stack::grow(|| assert_eq!(large_frame::<131_072>(), 3));
        });
    });
}
