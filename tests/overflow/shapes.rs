//! The shapes: functions that call themselves for ever, each in its own way.
//!
//! Every one makes guards on its way down; `usize` results keep calls from becoming jumps.
#![allow(unconditional_recursion, reason = "all of them are to overflow")]
#![allow(clippy::only_used_in_recursion, reason = "it keeps the frames from being alike")]

use crate::tally::Tally;
use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::hint::black_box;
use std::rc::Rc;

pub(crate) type Shape = fn(&'static Tally, usize) -> usize;

/// A frame of `N` words.
#[inline(never)]
pub(crate) fn frame<const N: usize>(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let mut room = [n; N];
    black_box(&mut room);
    let r = frame::<N>(t, n + 1);
    r + black_box(&room)[0]
}

/// The guard comes after the room, which is filled in by a loop.
#[inline(never)]
pub(crate) fn late_guard<const N: usize>(t: &'static Tally, n: usize) -> usize {
    let mut room = [0; N];
    for (i, x) in room.iter_mut().enumerate() {
        *x = black_box(n + i);
    }
    let _guard = t.guard();
    let r = late_guard::<N>(t, n + 1);
    r + black_box(&room)[N / 2]
}

/// Room that is not touched before the next call.
#[inline(never)]
pub(crate) fn untouched<const N: usize>(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let mut room = std::mem::MaybeUninit::<[usize; N]>::uninit();
    black_box(room.as_mut_ptr());
    let r = untouched::<N>(t, n + 1);
    black_box(room.as_mut_ptr());
    r + 1
}

/// The deepest function calls nothing.
pub(crate) fn leaf<const N: usize>(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn bottom<const N: usize>(n: usize) -> usize {
        let mut room = std::mem::MaybeUninit::<[usize; N]>::uninit();
        let first = room.as_mut_ptr().cast::<usize>();
        // SAFETY: the first word of the room, written before it is read.
        unsafe {
            first.write_volatile(n);
            first.read_volatile()
        }
    }
    let _guard = t.guard();
    let mut own = [n; 25];
    black_box(&mut own);
    let r = bottom::<N>(n) + leaf::<N>(t, n + 1);
    black_box(&own)[3] + r
}

pub(crate) fn mutual(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn other(t: &'static Tally, n: usize) -> usize {
        let mut room = [n as u8; 72];
        let _guard = t.guard();
        black_box(&mut room);
        mutual(t, n + 1) + room[3] as usize
    }
    let _guard = t.guard();
    other(t, n + 1) + black_box(1)
}

pub(crate) fn three_in_turn(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn second(t: &'static Tally, n: usize) -> usize {
        third(t, n, [n; 9]) + black_box(1)
    }
    #[inline(never)]
    fn third(t: &'static Tally, n: usize, x: [usize; 9]) -> usize {
        let _guard = t.guard();
        three_in_turn(t, n + x[0]) + x[1]
    }
    second(t, n) + black_box(2)
}

pub(crate) fn in_destructor(t: &'static Tally, _: usize) -> usize {
    struct Deep(&'static Tally);
    impl Drop for Deep {
        fn drop(&mut self) {
            let _guard = self.0.guard();
            let mut room = [0_usize; 40];
            black_box(&mut room);
            drop(Deep(self.0));
            black_box(&room);
        }
    }
    drop(Deep(t));
    1
}

pub(crate) fn in_display(t: &'static Tally, n: usize) -> usize {
    struct Deep(&'static Tally, usize);
    impl fmt::Display for Deep {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _guard = self.0.guard();
            write!(f, "<{} {:>5}>", Deep(self.0, self.1 + 1), self.1)
        }
    }
    Deep(t, n).to_string().len()
}

pub(crate) fn in_derived_debug(t: &'static Tally, _: usize) -> usize {
    #[derive(Debug)]
    #[allow(dead_code, reason = "for its Debug")]
    struct Pair {
        left: Endless,
        right: u8,
    }
    struct Endless(&'static Tally);
    impl fmt::Debug for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let _guard = self.0.guard();
            Pair { left: Endless(self.0), right: 1 }.fmt(f)
        }
    }
    format!("{:?}", Endless(t)).len()
}

pub(crate) fn formatting_at_each_level(t: &'static Tally, n: usize) -> usize {
    let text = format!("level {n:>8} of {:?}", [n; 3]);
    let _guard = t.guard();
    formatting_at_each_level(t, n + 1) + text.len()
}

pub(crate) fn allocating(t: &'static Tally, n: usize) -> usize {
    let boxed = Box::new((t.guard(), [n; 20]));
    let list: Vec<usize> = (0..n % 50).collect();
    allocating(t, n + 1) + boxed.1[0] + list.len()
}

pub(crate) fn growing_a_vector(t: &'static Tally, n: usize) -> usize {
    let mut all = Vec::new();
    for i in 0..3 {
        all.push((t.guard(), i));
    }
    let r = growing_a_vector(t, n + 1);
    r + all.len()
}

/// Recursive descent, as a deserializer does it.
pub(crate) fn descent(t: &'static Tally, _: usize) -> usize {
    #[allow(dead_code, reason = "built, never looked at")]
    enum Value {
        List(Vec<Value>),
        Number(f64),
    }
    struct Brackets;
    impl Iterator for Brackets {
        type Item = char;
        fn next(&mut self) -> Option<char> {
            Some(black_box('['))
        }
    }
    struct Parser<I: Iterator<Item = char>>(I, &'static Tally);
    impl<I: Iterator<Item = char>> Parser<I> {
        fn value(&mut self) -> Result<Value, String> {
            match self.0.next().ok_or("end")? {
                '[' => self.list(),
                c => c.to_string().parse().map(Value::Number).map_err(|e| format!("{e}")),
            }
        }
        fn list(&mut self) -> Result<Value, String> {
            let _guard = self.1.guard();
            let mut values = Vec::new();
            loop {
                values.push(self.value()?);
                if values.len() > 4 {
                    return Ok(Value::List(values));
                }
            }
        }
    }
    usize::from(Parser(Brackets, t).value().is_ok())
}

/// A visitor with a type of its own at each turn.
pub(crate) fn visitor(t: &'static Tally, n: usize) -> usize {
    trait Visit {
        fn visit(&self, t: &'static Tally, n: usize) -> usize;
    }
    struct A;
    struct B<T>(T);
    impl Visit for A {
        fn visit(&self, t: &'static Tally, n: usize) -> usize {
            let _guard = t.guard();
            drive(&B(A), t, n + 1) + black_box(1)
        }
    }
    impl<T: Visit> Visit for B<T> {
        fn visit(&self, t: &'static Tally, n: usize) -> usize {
            let text = n.to_string();
            let _guard = t.guard();
            drive(&self.0, t, n + 1) + text.len()
        }
    }
    #[inline(never)]
    fn drive<V: Visit>(v: &V, t: &'static Tally, n: usize) -> usize {
        v.visit(t, n) + black_box(1)
    }
    drive(&A, t, n)
}

pub(crate) fn through_trait_object(t: &'static Tally, n: usize) -> usize {
    trait Step {
        fn step(&self, next: &dyn Step, n: usize) -> usize;
    }
    struct Big([u64; 12], &'static Tally);
    impl Step for Big {
        fn step(&self, next: &dyn Step, n: usize) -> usize {
            let _guard = self.1.guard();
            next.step(self, n + 1) + self.0[n % 12] as usize
        }
    }
    let (a, b) = (Big([1; 12], t), Big([2; 12], t));
    black_box(&a as &dyn Step).step(&b, n)
}

pub(crate) fn through_closures(t: &'static Tally, n: usize) -> usize {
    fn apply(f: &dyn Fn(usize) -> usize, n: usize) -> usize {
        f(n) + black_box(1)
    }
    let guard = t.guard();
    let f = move |k: usize| {
        let _held = &guard;
        through_closures(t, k + 1) + 1
    };
    apply(&f, n)
}

pub(crate) fn through_boxed_once(t: &'static Tally, n: usize) -> usize {
    let guard = t.guard();
    let f: Box<dyn FnOnce() -> usize> = Box::new(move || {
        let held = guard;
        let r = through_boxed_once(t, n + 1);
        drop(held);
        r
    });
    let r = f();
    r + black_box(1)
}

pub(crate) fn through_function_pointer(t: &'static Tally, n: usize) -> usize {
    let f: Shape = black_box(through_function_pointer);
    let _guard = t.guard();
    f(t, n + 1) + black_box(1)
}

/// Futures polled by hand: one inside the other for ever.
pub(crate) fn futures(t: &'static Tally, n: usize) -> usize {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::{Context, Poll, Waker};
    fn level(t: &'static Tally, n: usize) -> Pin<Box<dyn Future<Output = usize>>> {
        Box::pin(async move {
            let _guard = t.guard();
            let mut room = [n; 8];
            black_box(&mut room);
            level(t, n + 1).await + room[1]
        })
    }
    let mut future = level(t, n);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(n) => n,
        Poll::Pending => 0,
    }
}

pub(crate) fn struct_by_value(t: &'static Tally, n: usize) -> usize {
    #[derive(Clone, Copy)]
    struct Plain([u64; 20]);
    #[inline(never)]
    fn take(p: Plain, t: &'static Tally, n: usize) -> usize {
        let _guard = t.guard();
        let mut q = p;
        q.0[n % 20] += 1;
        take(q, t, n + 1) + p.0[0] as usize
    }
    take(Plain([n as u64; 20]), t, n)
}

#[expect(clippy::too_many_arguments, reason = "that is the point")]
#[inline(never)]
fn twelve(
    t: &'static Tally,
    a: usize,
    b: u8,
    c: u16,
    d: f64,
    e: u64,
    f: i32,
    g: i64,
    h: f32,
    i: u128,
    j: usize,
    k: usize,
) -> usize {
    let _guard = t.guard();
    let r = twelve(t, a + 1, b, c, d * 2.0, e, f, g, h, i + 1, k, j);
    r + a + e as usize + d as usize + i as usize + j + k
}

pub(crate) fn many_arguments(t: &'static Tally, n: usize) -> usize {
    twelve(t, n, 1, 2, 3.0, 4, 5, 6, 7.0, 8, 9, 10)
}

pub(crate) fn large_result(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn make(t: &'static Tally, n: usize) -> [usize; 40] {
        let _guard = t.guard();
        let mut all = make(t, n + 1);
        all[n % 40] += n;
        all
    }
    make(t, n)[1]
}

pub(crate) fn floating_point(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn sum(t: &'static Tally, x: f64, y: f64) -> f64 {
        let _guard = t.guard();
        sum(t, x * 1.5, y + x).mul_add(y, x)
    }
    sum(t, n as f64, 1.0) as usize
}

pub(crate) fn wide_integers(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    fn sum(t: &'static Tally, x: u128) -> u128 {
        let _guard = t.guard();
        sum(t, x.wrapping_mul(3) + 1) ^ x
    }
    sum(t, n as u128) as usize
}

/// A frame that realigns the stack.
#[inline(never)]
pub(crate) fn aligned<const N: usize>(t: &'static Tally, n: usize) -> usize {
    #[repr(align(64))]
    struct Line<const N: usize>([usize; N]);
    let _guard = t.guard();
    let mut line = Line([n; N]);
    black_box(&mut line);
    aligned::<N>(t, n + 1) + line.0[1]
}

#[inline(never)]
pub(crate) fn aligned_to_a_page(t: &'static Tally, n: usize) -> usize {
    #[repr(align(4096))]
    struct Page([usize; 8]);
    let _guard = t.guard();
    let mut page = Page([n; 8]);
    black_box(&mut page);
    aligned_to_a_page(t, n + 1) + page.0[1]
}

pub(crate) fn in_sort(t: &'static Tally, n: usize) -> usize {
    let mut all = [3, 1, 2, n];
    let _guard = t.guard();
    all.sort_by(|a, b| {
        let r = in_sort(t, n + 1);
        (a + r).cmp(b)
    });
    all[0]
}

pub(crate) fn in_iterator(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    (n..n + 3).filter(|x| x % 7 != 0).map(|x| in_iterator(t, x + 1)).fold(0, |a, b| a ^ b)
}

pub(crate) fn in_map_entry(t: &'static Tally, n: usize) -> usize {
    let mut map = HashMap::new();
    let _guard = t.guard();
    *map.entry(n).or_insert_with(|| in_map_entry(t, n + 1))
}

pub(crate) fn in_once_cell(t: &'static Tally, n: usize) -> usize {
    let cell = OnceCell::new();
    let _guard = t.guard();
    *cell.get_or_init(|| in_once_cell(t, n + 1))
}

pub(crate) fn with_a_borrow(t: &'static Tally, n: usize) -> usize {
    let cell = RefCell::new([n; 4]);
    let mut borrow = cell.borrow_mut();
    let _guard = t.guard();
    borrow[1] = with_a_borrow(t, n + 1);
    borrow[0]
}

pub(crate) fn with_a_lock(t: &'static Tally, n: usize) -> usize {
    let lock = std::sync::Mutex::new(n);
    let held = lock.lock().expect("new");
    let _guard = t.guard();
    with_a_lock(t, n + 1) + *held
}

pub(crate) fn with_shared_parts(t: &'static Tally, n: usize) -> usize {
    let shared = Rc::new((t.guard(), n));
    let again = Rc::clone(&shared);
    with_shared_parts(t, n + 1) + again.1
}

pub(crate) fn catching_at_each_level(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    match std::panic::catch_unwind(|| catching_at_each_level(t, n + 1)) {
        Ok(r) => r + 1,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

pub(crate) fn writing(t: &'static Tally, n: usize) -> usize {
    use std::io::Write;
    let _guard = t.guard();
    let mut out = std::io::sink();
    writeln!(out, "{n} {:?}", Some(n)).expect("a sink takes all");
    let mut buffer = [0_u8; 40];
    write!(&mut buffer[..], "{n:>12}").expect("room");
    writing(t, n + 1) + buffer[0] as usize
}

/// A system call at each level.
pub(crate) fn asking_the_system(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let here = std::path::Path::new("/").exists();
    asking_the_system(t, n + 1) + usize::from(here)
}

pub(crate) fn with_deferred_calls(t: &'static Tally, n: usize) -> usize {
    gort::func(|f| {
        let guard = t.guard();
        f.defer(move |_| drop(guard));
        with_deferred_calls(t, n + 1) + 1
    })
}

pub(crate) fn yielding(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    gort::runtime::gosched();
    yielding(t, n + 1) + black_box(1)
}

pub(crate) fn using_channels(t: &'static Tally, n: usize) -> usize {
    let (there, back) = (gort::chan(0), gort::chan(0));
    let partner = {
        let (there, back) = (there.clone(), back.clone());
        move || {
            while let Some(n) = there.recv() {
                back.send(n);
            }
        }
    };
    gort::go(partner);
    struct Close(gort::Chan<usize>);
    impl Drop for Close {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    let _close = Close(there.clone());
    fn level(t: &'static Tally, n: usize, c: &[gort::Chan<usize>; 2]) -> usize {
        let _guard = t.guard();
        c[0].send(n);
        let back = c[1].recv().expect("open");
        level(t, n + 1, c) + back
    }
    level(t, n, &[there, back])
}

pub(crate) fn with_goroutine_locks(t: &'static Tally, n: usize) -> usize {
    static SHARED: gort::sync::Mutex<usize> = gort::sync::Mutex::new(0);
    let _guard = t.guard();
    *SHARED.lock() += 1;
    with_goroutine_locks(t, n + 1) + black_box(1)
}

pub(crate) fn starting_goroutines(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let handle = n.is_multiple_of(64).then(|| gort::spawn(move || n));
    let r = starting_goroutines(t, n + 1);
    r + handle.map_or(0, |h| h.join().expect("it returns"))
}

unsafe extern "C-unwind" {
    /// The C library's, declared as one that lets panics of its callback through.
    fn qsort(
        base: *mut std::ffi::c_void,
        count: usize,
        size: usize,
        compare: unsafe extern "C-unwind" fn(*const u64, *const u64) -> i32,
    );
}

thread_local! {
    /// What a callback without an argument of its own works with.
    static TALLY: std::cell::Cell<Option<&'static Tally>> = const { std::cell::Cell::new(None) };
}

unsafe extern "C-unwind" fn compare(a: *const u64, _: *const u64) -> i32 {
    // SAFETY: the C library passes elements.
    let a = unsafe { *a } as usize;
    let t = TALLY.get().expect("set by the caller");
    let _guard = t.guard();
    sort_in_c(t, a + 1) as i32
}

#[inline(never)]
fn sort_in_c(t: &'static Tally, n: usize) -> usize {
    let _guard = t.guard();
    let mut all = [n as u64; 4];
    // SAFETY: four elements of eight bytes.
    unsafe { qsort(all.as_mut_ptr().cast(), 4, 8, compare) };
    all[0] as usize + 1
}

/// Rust, C, Rust, C ...
pub(crate) fn in_a_callback_from_c(t: &'static Tally, n: usize) -> usize {
    TALLY.set(Some(t));
    sort_in_c(t, n)
}

/// The same with a callback that is declared not to unwind.
pub(crate) fn in_a_callback_that_may_not_unwind(t: &'static Tally, n: usize) -> usize {
    unsafe extern "C" fn compare(a: *const u64, b: *const u64) -> i32 {
        // SAFETY: passed on.
        unsafe { super::shapes::compare(a, b) }
    }
    unsafe extern "C-unwind" fn lies(a: *const u64, b: *const u64) -> i32 {
        // SAFETY: passed on.
        unsafe { compare(a, b) }
    }
    TALLY.set(Some(t));
    let mut all = [n as u64; 4];
    // SAFETY: four elements of eight bytes.
    unsafe { qsort(all.as_mut_ptr().cast(), 4, 8, lies) };
    1
}

pub(crate) fn in_a_function_for_c(t: &'static Tally, n: usize) -> usize {
    #[inline(never)]
    extern "C" fn level(t: &'static Tally, n: usize) -> usize {
        let _guard = t.guard();
        assert!(n < usize::MAX, "one that may panic, so that there is something to keep in");
        black_box(level(t, n + 1)) + 1
    }
    level(t, n)
}
