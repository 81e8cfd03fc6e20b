//! A window as GUI libraries and OpenGL have them: it belongs to the thread that made it. Main locks
//! itself to the program's first thread and is the only one to touch the window; whoever paints
//! sends what is to be drawn, and main draws it and shows a frame now and then.
//!
//! `cargo run --release --example window`
#![allow(clippy::print_stdout, reason = "an example talks")]

use gort::{chan, go, runtime, select, time::Ticker};
use std::marker::PhantomData;
use std::thread::{self, ThreadId};
use std::time::Duration;

const ROWS: usize = 400;
const PAINTERS: usize = 8;

/// Stands for what a library gives: neither Send nor Sync, and it looks at its thread.
struct Window {
    thread: ThreadId,
    rows: Vec<Option<u32>>,
    frames: u32,
    _one_thread: PhantomData<*const ()>,
}

impl Window {
    fn open() -> Self {
        let thread = thread::current().id();
        Self { thread, rows: vec![None; ROWS], frames: 0, _one_thread: PhantomData }
    }

    fn draw(&mut self, row: usize, colour: u32) {
        assert_eq!(thread::current().id(), self.thread, "a window is used on its thread only");
        self.rows[row] = Some(colour);
    }

    fn show(&mut self) {
        assert_eq!(thread::current().id(), self.thread, "a window is used on its thread only");
        self.frames += 1;
    }
}

fn main() {
    let first = thread::current().id();
    let window = gort::run(move || {
        runtime::lock_os_thread(); // first of all: main begins on the thread that called `run`
        assert_eq!(thread::current().id(), first);
        let (mut window, strokes) = (Window::open(), chan(16));
        for painter in 0..PAINTERS {
            let strokes = strokes.clone();
            go(move || (painter..ROWS).step_by(PAINTERS).for_each(|y| strokes.send((y, 0xff_u32))));
        }
        let frame = Ticker::new(Duration::from_micros(500));
        while window.rows.iter().any(Option::is_none) {
            select! {
                recv(strokes) -> stroke => if let Some((y, colour)) = stroke { window.draw(y, colour) },
                recv(frame.chan()) -> _ => window.show(),
            }
        }
        window.show();
        (window.rows.iter().flatten().count(), window.frames)
    });
    println!("{} rows painted by {PAINTERS} goroutines, {} frames", window.0, window.1);
    assert_eq!(window.0, ROWS);
}
