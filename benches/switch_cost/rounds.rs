//! Carries a section of the plan out: calibrates, warms up, and takes the samples in turn.
//!
//! Round by round every entry of the section is sampled once, A B C, A B C, so that a disturbance of
//! the machine meets all sides alike. Each entry has a process of its own that measures nothing else.

use std::time::{Duration, Instant};

use crate::figure::Figure;
use crate::plan::{Entry, Load, Section};
use crate::progress::Progress;
use crate::reply::Reply;
use crate::worker::{Programs, Worker};

/// Sizes tried first when a load is found by trial.
const FIRST_TRY: u64 = 500;

/// A trial at most multiplies the load by so much.
const LARGEST_STEP: f64 = 100.0;

/// More trials than this are not needed to get from one operation to a second of them.
const TRIALS: usize = 6;

/// How a section is to be measured.
#[derive(Debug)]
pub(crate) struct Manner<'a> {
    pub(crate) programs: &'a Programs,
    pub(crate) rounds: usize,
    pub(crate) round: Duration,
    /// A worker that has not answered by then is given up.
    pub(crate) patience: Duration,
    /// One round of each from then on: `--quick` keeps its promise on a slow machine too.
    pub(crate) hurry: Option<Instant>,
    /// No answer is waited for beyond this point.
    pub(crate) end: Option<Instant>,
}

impl Manner<'_> {
    fn hurried(&self) -> bool {
        self.hurry.is_some_and(|at| Instant::now() >= at)
    }

    fn limit(&self) -> Duration {
        let left =
            self.end.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()));
        self.patience.min(left)
    }

    fn over(&self) -> bool {
        self.end.is_some_and(|at| Instant::now() >= at)
    }
}

/// An entry on its way through the rounds.
struct Run<'a> {
    entry: &'a Entry,
    /// Absent before the first request, after a failure, and always for a fresh entry.
    worker: Option<Worker>,
    n: u64,
    replies: Vec<Reply>,
    failed: Option<String>,
    /// `--quick` had no time left for it: not measured, and nobody's fault.
    late: bool,
}

impl<'a> Run<'a> {
    fn new(entry: &'a Entry) -> Self {
        let n = match entry.load {
            Load::Timed => FIRST_TRY,
            Load::Fixed(n) => n,
        };
        Self { entry, worker: None, n, replies: Vec::new(), failed: None, late: false }
    }

    /// One request of the right process; a failure ends this run and no other.
    fn ask(&mut self, manner: &Manner<'_>) -> Option<Reply> {
        self.late |= manner.over();
        if self.failed.is_some() || self.late {
            return None;
        }
        let mut worker = match self.worker.take() {
            Some(worker) => Ok(worker),
            None => Worker::start(manner.programs, self.entry.player),
        };
        let answer = match &mut worker {
            Ok(worker) => worker.ask(self.entry.request, self.n, manner.limit()),
            Err(e) => Err(std::mem::take(e)),
        };
        match answer {
            Ok(reply) => {
                self.worker = worker.ok().filter(|_| !self.entry.fresh);
                Some(reply)
            }
            Err(_) if manner.over() => {
                self.late = true;
                None
            }
            Err(text) => {
                self.failed = Some(text.trim_end_matches('.').to_owned());
                None
            }
        }
    }

    /// Finds the load and warms up: the last trial has the size of a sample.
    fn prepare(&mut self, manner: &Manner<'_>) {
        if self.entry.load != Load::Timed {
            if !self.entry.fresh {
                self.ask(manner);
            }
            return;
        }
        let wanted = manner.round.as_nanos() as f64;
        for _ in 0..TRIALS {
            let Some(reply) = self.ask(manner) else { return };
            let took = reply.get("ns").unwrap_or(0.0).max(1.0);
            let step = (wanted / took).clamp(1.0 / LARGEST_STEP, LARGEST_STEP);
            // A multiple of four, because some programs share it out.
            self.n = ((self.n as f64 * step / 4.0) as u64 * 4).max(4);
            if (0.4..2.5).contains(&step) {
                return;
            }
        }
    }

    fn figures(self, section: &'static str) -> impl Iterator<Item = Figure> {
        let Self { entry, replies, failed, late, .. } = self;
        let mut note = replies.last().map_or(String::new(), |r| r.note.clone());
        if let Some(text) = &failed {
            note = format!("not measured: {text}");
        } else if late && replies.is_empty() {
            note = "not measured: no time left for it in a quick run".to_owned();
        }
        entry.fields.iter().enumerate().map(move |(i, field)| Figure {
            id: format!("{}{}", entry.id, field.suffix),
            section,
            side: entry.side,
            title: format!("{}{}", entry.title, field.title),
            what: entry.what,
            unit: field.unit,
            samples: replies.iter().filter_map(|r| field.value(r)).collect(),
            note: if i == 0 { note.clone() } else { String::new() },
        })
    }
}

/// What came of a section.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) figures: Vec<Figure>,
    /// Entries of gort's that should have been measured and were not.
    pub(crate) failures: Vec<String>,
}

/// Steps of a section, in ms, as the progress bar counts them.
pub(crate) fn weight(section: &Section, rounds: usize, round: Duration) -> u64 {
    section.entries.iter().map(|e| entry_weight(e, round) * samples(e, rounds)).sum()
}

fn entry_weight(entry: &Entry, round: Duration) -> u64 {
    match entry.load {
        Load::Timed => u64::try_from(round.as_millis()).unwrap_or(u64::MAX).max(1),
        Load::Fixed(_) => entry.weight,
    }
}

/// Rounds and, where there is one, the warm-up.
fn samples(entry: &Entry, rounds: usize) -> u64 {
    (rounds.min(entry.rounds) + usize::from(!entry.fresh)) as u64
}

/// Measures a section.
pub(crate) fn measure(section: &Section, manner: &Manner<'_>, bar: &mut Progress) -> Outcome {
    let mut runs: Vec<Run<'_>> = section.entries.iter().map(Run::new).collect();
    for run in runs.iter_mut().filter(|r| !r.entry.fresh) {
        bar.show(section.name, &format!("warm-up: {} {}", run.entry.side.name(), run.entry.title));
        run.prepare(manner);
        bar.advance(entry_weight(run.entry, manner.round));
    }
    for round in 0..manner.rounds {
        let skip = round > 0 && manner.hurried();
        for run in &mut runs {
            if round >= run.entry.rounds {
                continue;
            }
            let (side, title) = (run.entry.side.name(), &run.entry.title);
            bar.show(section.name, &format!("{}/{} {side} {title}", round + 1, manner.rounds));
            if !skip && let Some(reply) = run.ask(manner) {
                run.replies.push(reply);
            }
            bar.advance(entry_weight(run.entry, manner.round));
        }
    }
    let failed = |r: &Run<'_>| {
        let text = r.failed.as_ref().filter(|_| !r.entry.optional)?;
        (r.entry.side == crate::figure::Side::Gort).then(|| format!("{}: {text}", r.entry.title))
    };
    let failures = runs.iter().filter_map(failed).collect();
    Outcome { figures: runs.into_iter().flat_map(|r| r.figures(section.name)).collect(), failures }
}
