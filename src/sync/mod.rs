//! Things goroutines and threads wait on together, built on `park` and `ready` alone.

mod waitgroup;

pub use waitgroup::WaitGroup;
