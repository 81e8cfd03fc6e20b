//! Every libc call of the crate, wrapped; no policy.
//!
//! Invariant: `libc::` is written in this room and nowhere else in `src/`.

mod cgroup;
pub(crate) mod clock;
pub(crate) mod cpu;
pub(crate) mod cxx;
pub(crate) mod epoll;
pub(crate) mod errno;
pub(crate) mod fault;
pub(crate) mod fd;
pub(crate) mod futex;
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
pub(crate) mod image;
pub(crate) mod lock;
pub(crate) mod mem;
pub(crate) mod modules;
pub(crate) mod note;
pub(crate) mod proc;
pub(crate) mod signal;
pub(crate) mod thread;
#[cfg(gort_own_tls)]
pub(crate) mod tls;
