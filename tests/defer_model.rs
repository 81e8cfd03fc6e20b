//! Random nests of functions, deferred calls, panics, recovers and goexits, with parks and migrations
//! between them, against a sequential model of Go's rules: both write down the same events.
//!
//! `PROPTEST_CASES` sets how many for each of the four tests; 5,000 unless told, 1,000 in a debug build.

use gort::{Deferred, Frame, func, runtime};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::sync::{Arc, Mutex};

/// What a function or deferred call does, in order.
#[derive(Clone, Debug)]
enum Do {
    Say(u8),
    /// Parks, yields, or sleeps: other goroutines run, and the thread may change.
    Park(u8),
    Panic(u8),
    Goexit,
    Recover,
    /// Recovers and panics again with the same value.
    Repanic,
    SetResult(u8),
    Defer(Vec<Do>),
    Call(Vec<Do>),
    /// A plain `catch_unwind` around a call; what it returns says whether it caught a panic.
    Catch(Vec<Do>),
}

fn program() -> impl Strategy<Value = Vec<Do>> {
    let leaf = prop_oneof![
        4 => any::<u8>().prop_map(Do::Say),
        3 => any::<u8>().prop_map(Do::Park),
        2 => any::<u8>().prop_map(Do::Panic),
        1 => Just(Do::Goexit),
        3 => Just(Do::Recover),
        1 => Just(Do::Repanic),
        1 => any::<u8>().prop_map(Do::SetResult),
    ];
    let body = prop::collection::vec(leaf, 0..4);
    body.prop_recursive(5, 40, 5, |inner| {
        let one = prop_oneof![
            4 => inner.clone().prop_map(Do::Defer),
            3 => inner.clone().prop_map(Do::Call),
            1 => inner.prop_map(Do::Catch),
            2 => any::<u8>().prop_map(Do::Say),
            2 => any::<u8>().prop_map(Do::Panic),
            1 => Just(Do::Recover),
            1 => any::<u8>().prop_map(Do::Park),
        ];
        prop::collection::vec(one, 0..6)
    })
}

type Log = Mutex<Vec<String>>;

fn say(log: &Log, what: String) {
    log.lock().expect("nobody panics here").push(what);
}

/// The model: Go's rules, by recursion over what is to be done.
mod model {
    use super::Do;

    /// How code ends: by itself, or by what goes on to its caller.
    #[derive(Clone, Copy, PartialEq)]
    pub(super) enum End {
        Done,
        /// The value, and whether a goexit goes on once it is recovered.
        Panic(u8, bool),
        Goexit,
    }

    /// What a deferred call sees of its function.
    #[derive(Default)]
    struct Above {
        panic: Option<(u8, bool)>,
        result: u8,
    }

    #[derive(Default)]
    pub(super) struct Model {
        pub(super) said: Vec<String>,
        /// A goexit has been stopped by a `catch_unwind` and goes on at the next chance.
        pub(super) stopped: bool,
    }

    impl Model {
        fn run<'a>(
            &mut self,
            code: &'a [Do],
            defers: &mut Vec<&'a [Do]>,
            above: &mut Above,
        ) -> End {
            for step in code {
                match step {
                    Do::Say(n) => self.said.push(format!("say {n}")),
                    Do::Park(_) if self.stopped => return self.go_on(),
                    Do::Park(_) => {}
                    Do::Panic(n) => return End::Panic(*n, false),
                    Do::Goexit => return self.go_on(),
                    Do::Recover | Do::Repanic => {
                        let recovered = above.panic.take();
                        self.said.push(format!("recover {:?}", recovered.map(|(n, _)| n)));
                        if let (Do::Repanic, Some((n, _))) = (step, recovered) {
                            return End::Panic(n, false);
                        }
                    }
                    Do::SetResult(n) => above.result = *n,
                    Do::Defer(code) => defers.push(code),
                    Do::Call(code) => match self.call(code) {
                        End::Done => {}
                        end => return end,
                    },
                    Do::Catch(code) => match self.call(code) {
                        End::Done => self.said.push("caught nothing".to_owned()),
                        End::Panic(n, goexit) => {
                            self.stopped |= goexit;
                            self.said.push(format!("caught {n}"));
                        }
                        End::Goexit => {
                            self.stopped = true;
                            self.said.push("caught goexit".to_owned());
                        }
                    },
                }
            }
            End::Done
        }

        fn go_on(&mut self) -> End {
            self.stopped = false;
            End::Goexit
        }

        pub(super) fn call(&mut self, code: &[Do]) -> End {
            let mut defers = Vec::new();
            let mut above = Above::default();
            let mut end = self.run(code, &mut defers, &mut Above::default());
            if end == End::Done && self.stopped {
                end = self.go_on();
            }
            let (mut goexit, mut returned) = (false, end == End::Done);
            self.meet(end, &mut above, &mut goexit);
            while let Some(deferred) = defers.pop() {
                let mut ignored = Vec::new();
                let mut end = self.run(deferred, &mut ignored, &mut above);
                // What ended by itself is asked for a stopped goexit only once something has gone
                // wrong in this function; until then the next chance is further on.
                if end == End::Done && !returned && self.stopped {
                    end = self.go_on();
                }
                returned &= end == End::Done;
                self.meet(end, &mut above, &mut goexit);
            }
            match above.panic {
                Some((n, _)) => End::Panic(n, goexit),
                None if goexit => End::Goexit,
                None => {
                    self.said.push(format!("result {}", above.result));
                    End::Done
                }
            }
        }

        fn meet(&mut self, end: End, above: &mut Above, goexit: &mut bool) {
            match end {
                End::Done => {}
                End::Panic(n, during_goexit) => {
                    above.panic = Some((n, during_goexit));
                    *goexit |= during_goexit;
                }
                End::Goexit => {
                    above.panic = None;
                    *goexit = true;
                }
            }
        }
    }
}

/// The same with the real thing. A deferred call has no frame, so what it defers is not run.
struct Real<'l>(&'l Log);

impl Real<'_> {
    fn run<'f>(
        &'f self,
        code: &'f [Do],
        frame: Option<&Frame<'f, u8>>,
        mut above: Option<&mut Deferred<'_, u8>>,
    ) {
        for step in code {
            match step {
                Do::Say(n) => say(self.0, format!("say {n}")),
                Do::Park(n) => match n % 3 {
                    0 => runtime::gosched(),
                    1 => gort::time::sleep(std::time::Duration::from_nanos(u64::from(*n))),
                    _ => gort::spawn(runtime::gosched).join().expect("it only yields"),
                },
                Do::Panic(n) => std::panic::panic_any(*n),
                Do::Goexit => runtime::goexit(),
                Do::Recover | Do::Repanic => {
                    let panic = above.as_mut().and_then(|d| d.recover());
                    let value = panic.as_ref().map(|p| *p.downcast_ref::<u8>().expect("a number"));
                    say(self.0, format!("recover {value:?}"));
                    if let (Do::Repanic, Some(p)) = (step, panic) {
                        p.resume();
                    }
                }
                Do::SetResult(n) => above.iter_mut().for_each(|d| *d.result() = *n),
                Do::Defer(code) => {
                    if let Some(f) = frame {
                        f.defer(move |d| self.run(code, None, Some(d)));
                    }
                }
                Do::Call(code) => self.call(code),
                Do::Catch(code) => self.catch(code),
            }
        }
    }

    fn call(&self, code: &[Do]) {
        let result = func(|f| {
            self.run(code, Some(f), None);
            0
        });
        say(self.0, format!("result {result}"));
    }

    fn catch(&self, code: &[Do]) {
        let end = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| self.call(code)));
        let text = match end {
            Ok(()) => "caught nothing".to_owned(),
            Err(payload) => match payload.downcast_ref::<u8>() {
                Some(n) => format!("caught {n}"),
                None => "caught goexit".to_owned(),
            },
        };
        say(self.0, text);
    }
}

fn real(code: Vec<Do>) -> Vec<String> {
    let log = Arc::new(Log::default());
    let place = log.clone();
    let end = gort::spawn(move || Real(&place).call(&code)).join();
    let mut said = std::mem::take(&mut *log.lock().expect("nobody panics here"));
    said.push(match end {
        Ok(()) => "returned".to_owned(),
        Err(payload) if payload.is::<gort::Goexit>() => "exited".to_owned(),
        Err(payload) => format!("panicked {:?}", payload.downcast_ref::<u8>()),
    });
    said
}

fn modelled(code: &[Do]) -> Vec<String> {
    let mut model = model::Model::default();
    let end = model.call(code);
    model.said.push(match end {
        model::End::Done if model.stopped => "exited".to_owned(),
        model::End::Done => "returned".to_owned(),
        model::End::Goexit => "exited".to_owned(),
        model::End::Panic(n, _) => format!("panicked {:?}", Some(n)),
    });
    model.said
}

/// One program, four times at once, on as many threads as there are: what parks comes back anywhere.
fn agrees(code: &[Do]) -> Result<(), TestCaseError> {
    let expected = modelled(code);
    let codes: Vec<_> = (0..4).map(|_| code.to_vec()).collect();
    let handles: Vec<_> = codes.into_iter().map(|c| gort::spawn(move || real(c))).collect();
    for said in handles.into_iter().map(|h| h.join().expect("it is caught")).collect::<Vec<_>>() {
        prop_assert_eq!(&said, &expected);
    }
    Ok(())
}

/// Programs for each of the four tests; slow code gets fewer.
const PROGRAMS: u32 = if cfg!(debug_assertions) { 1_000 } else { 5_000 };

/// All programs of a test run in one `run`: they find what the ones before them left behind.
fn all_agree() {
    let cases = std::env::var("PROPTEST_CASES").map_or(PROGRAMS, |n| n.parse().expect("a number"));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let end = gort::run(|| {
        gort::runtime::gomaxprocs(4);
        TestRunner::new(config).run(&program(), |code| agrees(&code))
    });
    if let Err(e) = end {
        panic!("{e}");
    }
}

/// Four tests: together they take a minute on a busy machine.
macro_rules! programs {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            all_agree();
        })*
    };
}

programs! {
    programs_do_what_the_model_says_1
    programs_do_what_the_model_says_2
    programs_do_what_the_model_says_3
    programs_do_what_the_model_says_4
}
