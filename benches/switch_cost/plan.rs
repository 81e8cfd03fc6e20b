//! The plan: every measurement of the report, by section, and which figures are compared.
//!
//! A plan is data. Entries of one section are measured in turn, round by round; `rounds.rs` does it.

use crate::cli::Options;
use crate::figure::{Field, Side, Unit, Versus, grouped};
use crate::goro::Ladder;
use crate::serve::Role;
use crate::worker::Player;

/// How much one sample does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Load {
    /// As many operations as fill the length of a round, found by trial.
    Timed,
    /// Exactly so many.
    Fixed(u64),
}

/// One measurement: what is asked of whom, and which figures come of it.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: String,
    pub(crate) side: Side,
    pub(crate) player: Player,
    pub(crate) request: &'static str,
    pub(crate) load: Load,
    /// A new process for each sample, and no warm-up: what the first time costs.
    pub(crate) fresh: bool,
    /// At most so many rounds.
    pub(crate) rounds: usize,
    pub(crate) title: String,
    pub(crate) what: &'static str,
    pub(crate) fields: &'static [Field],
    /// Rough length of one sample in ms, for the estimate of what is left.
    pub(crate) weight: u64,
    /// May be absent without the run having failed.
    pub(crate) optional: bool,
}

/// The entries that are measured in turn.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) name: &'static str,
    pub(crate) entries: Vec<Entry>,
}

const TIME: &[Field] = &[Field { key: "ns", unit: Unit::Time, each: true, suffix: "", title: "" }];

const fn bytes(key: &'static str, suffix: &'static str, title: &'static str) -> Field {
    Field { key, unit: Unit::Bytes, each: true, suffix, title }
}

const OWN_MEMORY: &[Field] = &[
    bytes("total", "", ": RSS + page tables"),
    bytes("rss", ".rss", ": RSS"),
    bytes("anon", ".anon", ": anonymous part of RSS"),
    bytes("tables", ".tables", ": page tables"),
];

const THREAD_MEMORY: &[Field] = &[
    OWN_MEMORY[0],
    OWN_MEMORY[1],
    OWN_MEMORY[2],
    OWN_MEMORY[3],
    bytes("kernel", ".kernel", ": kernel stack (not in the sum)"),
];

const ALIVE: &[Field] = &[
    Field { key: "alive", unit: Unit::Count, each: false, suffix: "", title: "" },
    Field { key: "ns", unit: Unit::Time, each: true, suffix: ".create", title: ": start each" },
    Field {
        key: "finish",
        unit: Unit::Time,
        each: true,
        suffix: ".finish",
        title: ": wake and end each",
    },
];

impl Entry {
    fn new(player: Player, request: &'static str, title: &str, what: &'static str) -> Self {
        let (side, key, lanes, place) = match player {
            Player::Own(Role::Threads { cores }) => {
                let place = ["", ", one core", ", two cores"][cores.min(2)];
                (Side::Thread, "thread", cores, place)
            }
            Player::Own(Role::Goroutines { procs, .. }) => {
                (Side::Gort, "gort", procs, ["", ", 1 P", ", 2 Ps"][procs.min(2)])
            }
            Player::Go { procs } => (Side::Go, "go", procs, ["", ", 1 P", ", 2 Ps"][procs.min(2)]),
        };
        Self {
            id: format!("{key}.{request}.{lanes}"),
            side,
            player,
            request,
            load: Load::Timed,
            fresh: false,
            rounds: usize::MAX,
            title: format!("{title}{place}"),
            what,
            fields: TIME,
            weight: 0,
            optional: false,
        }
    }

    fn fixed(self, n: u64, weight: u64) -> Self {
        Self { load: Load::Fixed(n), weight: weight.max(1), ..self }
    }

    fn variant(self, name: &str, title: &str) -> Self {
        let (id, title) = (format!("{}.{name}", self.id), format!("{}{title}", self.title));
        Self { id, title, ..self }
    }
}

fn threads(cores: usize) -> Player {
    Player::Own(Role::Threads { cores })
}

fn gort(procs: usize) -> Player {
    Player::Own(Role::Goroutines { procs, ladder: Ladder::Default })
}

/// Both kinds of goroutine with so many Ps; Go only where its twin was built.
fn goroutines(procs: usize, with_go: bool) -> impl Iterator<Item = Player> {
    [Some(gort(procs)), with_go.then_some(Player::Go { procs })].into_iter().flatten()
}

/// The sections that `options` asks for. `lanes` is 2 where two cores may be used.
pub(crate) fn sections(options: &Options, lanes: usize, with_go: bool) -> Vec<Section> {
    let all = [
        Section { name: "switch", entries: switch(lanes, with_go) },
        Section { name: "raw", entries: raw() },
        Section { name: "join", entries: join(lanes, with_go) },
        Section { name: "many", entries: many(options, lanes, with_go) },
        Section { name: "programs", entries: programs(options, lanes, with_go) },
        Section { name: "memory", entries: memory(options, with_go) },
        Section { name: "alive", entries: alive(options, with_go) },
    ];
    all.into_iter().filter(|s| options.wants(s.name)).collect()
}

fn switch(lanes: usize, with_go: bool) -> Vec<Entry> {
    const ROUND_TRIP: &str = "ping-pong: one round trip, that is two messages and two switches";
    let mut entries = vec![Entry::new(
        threads(1),
        "yield",
        "sched_yield, two threads",
        "yield: one call; wall time divided by the calls of all",
    )];
    for cores in 1..=lanes {
        entries.extend([
            Entry::new(threads(cores), "futex", "futex ping-pong", ROUND_TRIP),
            Entry::new(threads(cores), "pipe", "pipe ping-pong", ROUND_TRIP),
            Entry::new(threads(cores), "channel", "std sync_channel(0) ping-pong", ROUND_TRIP),
        ]);
    }
    for player in (1..=lanes).flat_map(|procs| goroutines(procs, with_go)) {
        entries.extend([
            Entry::new(
                player,
                "yield",
                "yield, two goroutines for each P",
                "yield: one call; wall time divided by the calls of all",
            ),
            Entry::new(player, "pingpong", "unbuffered channel ping-pong", ROUND_TRIP),
        ]);
    }
    entries
}

fn raw() -> Vec<Entry> {
    const PAIR: &str = "raw switch: one resume and one suspend, without a scheduler";
    let role = Player::Own(Role::Goroutines { procs: 0, ladder: Ladder::Default });
    vec![
        Entry::new(role, "raw-portable", "raw switch there and back, corosensei", PAIR),
        Entry {
            optional: true,
            ..Entry::new(role, "raw-native", "raw switch there and back, arch/", PAIR)
        },
    ]
}

fn join(lanes: usize, with_go: bool) -> Vec<Entry> {
    const ONE: &str = "one after the other: start one, wait for its end, start the next";
    let mut entries = vec![Entry::new(threads(0), "join", "thread::spawn + join", ONE)];
    for procs in 1..=lanes {
        entries.push(Entry::new(gort(procs), "join", "spawn + JoinHandle::join", ONE));
        for player in goroutines(procs, with_go) {
            entries.push(Entry::new(player, "join-wg", "go + WaitGroup", ONE));
            entries.push(Entry::new(player, "join-chan", "go + channel(1)", ONE));
        }
    }
    entries
}

/// Goroutines on one P whose stacks all come from the dense rung: the setting for crowds.
fn dense() -> Player {
    Player::Own(Role::Goroutines { procs: 1, ladder: Ladder::Dense })
}

/// The numbers of `many`.
const CROWDS: [u64; 2] = [10_000, 100_000];

fn many(options: &Options, lanes: usize, with_go: bool) -> Vec<Entry> {
    const EACH: &str = "time from the first start to the last end, divided by their number; cold: the first \
         batch of a new process; warm: a later batch of the same size";
    let mut entries = Vec::new();
    let mut last_of_threads = 0;
    for crowd in CROWDS {
        let mut players: Vec<Player> = (1..=if options.quick { 1 } else { lanes })
            .flat_map(|procs| goroutines(procs, with_go))
            .collect();
        let of_threads = crowd.min(options.max_threads);
        if of_threads != last_of_threads {
            players.insert(0, threads(0));
        }
        last_of_threads = of_threads;
        if crowd == CROWDS[1] {
            players.push(dense());
        }
        for player in players {
            let on_threads = player == threads(0);
            let rung = if player == dense() { ", dense rung" } else { "" };
            let n = if on_threads { of_threads } else { crowd };
            let what = if n < crowd { " (--max-threads)" } else { "" };
            let title = format!("start {}{what} and wait for all", grouped(n as f64));
            let weight = n / if on_threads { 50 } else { 500 };
            let made = |kind: &str, fresh: bool| {
                let entry = Entry::new(player, "batch", &title, EACH).fixed(n, weight);
                let id = format!("{crowd}.{kind}{}", if rung.is_empty() { "" } else { ".dense" });
                Entry { fresh, ..entry.variant(&id, &format!(", {kind}{rung}")) }
            };
            entries.extend([made("cold", true), made("warm", false)]);
        }
    }
    entries
}

fn programs(options: &Options, lanes: usize, with_go: bool) -> Vec<Entry> {
    let limit = if options.quick { 4_000 } else { 12_000 };
    let sieve = format!("prime sieve below {}", grouped(limit as f64));
    let skynet = format!("skynet, {} leaves", grouped(options.leaves as f64));
    let mut entries = Vec::new();
    for player in (1..=lanes).flat_map(|procs| goroutines(procs, with_go)) {
        entries.extend([
            Entry::new(player, "sieve", &sieve, "the time of the whole program")
                .fixed(limit, limit / 50),
            Entry::new(player, "skynet", &skynet, "the time of the whole program")
                .fixed(options.leaves, options.leaves / 2000),
        ]);
    }
    entries
}

/// Samples of what hardly varies and takes long.
const FEW: usize = 3;

fn memory(options: &Options, with_go: bool) -> Vec<Entry> {
    const PARKED: &str = "growth of a new process while all are parked, divided by their number";
    const MEASURED_THREADS: u64 = 5_000;
    let parked = |player: Player, n: u64, what: &str| {
        let title = format!("parked, {}{what}", grouped(n as f64));
        let entry = Entry::new(player, "park", "", PARKED).fixed(n, n / 200);
        Entry { fresh: true, rounds: FEW, fields: OWN_MEMORY, title, ..entry }
    };
    let of_threads = options.max_threads.min(MEASURED_THREADS);
    let mut entries = vec![
        Entry { fields: THREAD_MEMORY, ..parked(threads(0), of_threads, "") },
        parked(gort(1), options.parked, ", default ladder"),
        parked(dense(), options.parked, ", dense rung").variant("dense", ""),
    ];
    if with_go {
        entries.push(parked(Player::Go { procs: 1 }, options.parked, ""));
    }
    entries
}

fn alive(options: &Options, with_go: bool) -> Vec<Entry> {
    const MOST: &str = "parked at the same time in one process; start: from the first start until all have \
         parked; end: from the wake-up until all have gone";
    let most = |player: Player, bound: u64, per_ms: u64| {
        let entry = Entry::new(player, "alive", "", MOST).fixed(bound, bound / per_ms);
        Entry { fresh: true, rounds: 1, fields: ALIVE, title: "alive at once".to_owned(), ..entry }
    };
    let mut entries =
        vec![most(threads(0), options.max_threads, 20), most(gort(1), options.max_alive, 200)];
    if with_go {
        entries.push(most(Player::Go { procs: 1 }, options.max_alive, 500));
    }
    entries
}

/// Two ids and the words between them.
fn versus(title: &str, theirs: &str, ours: &str, goal: Option<f64>) -> Versus {
    let (title, theirs, ours) = (title.to_owned(), theirs.to_owned(), ours.to_owned());
    Versus { title, theirs, ours, more_is_better: false, goal }
}

/// OS thread against goroutine.
pub(crate) fn against_threads(options: &Options) -> Vec<Versus> {
    let plain = |title: &str, theirs: &str, ours: &str| versus(title, theirs, ours, None);
    let mut list = vec![
        plain("yield on one core", "thread.yield.1", "gort.yield.1"),
        plain("futex / channel, one core", "thread.futex.1", "gort.pingpong.1"),
        plain("pipe / channel, one core", "thread.pipe.1", "gort.pingpong.1"),
        plain("std channel / channel, one core", "thread.channel.1", "gort.pingpong.1"),
        plain("futex / channel, two cores", "thread.futex.2", "gort.pingpong.2"),
        plain("pipe / channel, two cores", "thread.pipe.2", "gort.pingpong.2"),
        plain("std channel / channel, two cores", "thread.channel.2", "gort.pingpong.2"),
        plain("start and join one", "thread.join.0", "gort.join.1"),
    ];
    for (crowd, kind) in CROWDS.into_iter().flat_map(|c| [(c, "cold"), (c, "warm")]) {
        let threads = crowd.min(options.max_threads);
        let bounded = if threads < crowd {
            format!(" (threads: {})", grouped(threads as f64))
        } else {
            String::new()
        };
        list.push(plain(
            &format!("start {}{bounded}, {kind}", grouped(crowd as f64)),
            &format!("thread.batch.0.{crowd}.{kind}"),
            &format!("gort.batch.1.{crowd}.{kind}"),
        ));
    }
    list.extend([
        plain("memory parked, default ladder", "thread.park.0", "gort.park.1"),
        plain("memory parked, dense rung", "thread.park.0", "gort.park.1.dense"),
        Versus {
            more_is_better: true,
            ..plain("most alive at once", "thread.alive.0", "gort.alive.1")
        },
    ]);
    list
}

/// Go against gort, with the project's goals.
pub(crate) fn against_go() -> Vec<Versus> {
    let goal =
        |title: &str, theirs: &str, ours: &str, goal| versus(title, theirs, ours, Some(goal));
    let plain = |title: &str, theirs: &str, ours: &str| versus(title, theirs, ours, None);
    vec![
        goal("yield, 1 P", "go.yield.1", "gort.yield.1", 3.0),
        goal("channel ping-pong, 1 P", "go.pingpong.1", "gort.pingpong.1", 2.0),
        goal("spawn + join (Go: WaitGroup), 1 P", "go.join-wg.1", "gort.join.1", 3.0),
        goal("go + WaitGroup, 1 P", "go.join-wg.1", "gort.join-wg.1", 3.0),
        plain("go + channel(1), 1 P", "go.join-chan.1", "gort.join-chan.1"),
        plain("start 10,000, cold, 1 P", "go.batch.1.10000.cold", "gort.batch.1.10000.cold"),
        plain("start 10,000, warm, 1 P", "go.batch.1.10000.warm", "gort.batch.1.10000.warm"),
        plain("start 100,000, cold, 1 P", "go.batch.1.100000.cold", "gort.batch.1.100000.cold"),
        plain("start 100,000, warm, 1 P", "go.batch.1.100000.warm", "gort.batch.1.100000.warm"),
        goal(
            "start 100,000, warm, 1 P, dense rung",
            "go.batch.1.100000.warm",
            "gort.batch.1.100000.warm.dense",
            2.0,
        ),
        plain("prime sieve, 1 P", "go.sieve.1", "gort.sieve.1"),
        plain("skynet, 1 P", "go.skynet.1", "gort.skynet.1"),
        plain("yield, 2 Ps", "go.yield.2", "gort.yield.2"),
        goal("channel ping-pong, 2 Ps", "go.pingpong.2", "gort.pingpong.2", 1.5),
        plain("go + WaitGroup, 2 Ps", "go.join-wg.2", "gort.join-wg.2"),
        plain("go + channel(1), 2 Ps", "go.join-chan.2", "gort.join-chan.2"),
        plain("start 100,000, cold, 2 Ps", "go.batch.2.100000.cold", "gort.batch.2.100000.cold"),
        plain("start 100,000, warm, 2 Ps", "go.batch.2.100000.warm", "gort.batch.2.100000.warm"),
        plain("prime sieve, 2 Ps", "go.sieve.2", "gort.sieve.2"),
        goal("skynet, 2 Ps", "go.skynet.2", "gort.skynet.2", 1.5),
        plain("memory parked, default ladder", "go.park.1", "gort.park.1"),
        plain("memory parked, dense rung", "go.park.1", "gort.park.1.dense"),
    ]
}
