//! Programs: scripts over channels, arranged in a tree of starts and joins. None can deadlock, because
//! a last party, the closer, closes every channel sooner or later, and after that nothing blocks but
//! joins, which go from parents to children only.

use proptest::prelude::*;
use std::fmt::Write as _;

/// Which script; 0 is the root.
pub(crate) type Id = usize;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Send(usize),
    Recv(usize),
    TrySend(usize),
    TryRecv(usize),
    /// With a limit of so many microseconds.
    SendTimeout(usize, u8),
    RecvTimeout(usize, u8),
    /// Over (channel, whether it is a send).
    Select(Vec<(usize, bool)>, Patience),
    Close(usize),
    Len(usize),
    IsClosed(usize),
    Yield,
    /// For so many microseconds.
    Sleep(u8),
    /// Starts a script; joined later, or never.
    Start(Id, Kind),
    Join(Id),
    /// Starts these with a wait group, and waits.
    Group(Vec<Id>),
    /// Starts these in a scope, which waits.
    Scope(Vec<Id>),
}

/// How long a select waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Micros(u8),
    Endless,
}

/// As what a script runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Goroutine,
    Thread,
}

/// How a script ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Return,
    Panic,
    Goexit,
}

#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) ops: Vec<Op>,
    pub(crate) end: End,
}

#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// Capacities of the channels.
    pub(crate) caps: Vec<usize>,
    pub(crate) scripts: Vec<Script>,
}

/// What a party saw of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seen {
    Done,
    Value(u32),
    Full,
    Empty,
    Closed,
    /// A select: what it received from an arm, that the arm's channel was closed, that it sent.
    Got(u8, u32),
    GotNone(u8),
    Sent(u8),
    /// A select chose nothing.
    Nothing,
    /// A panic with Go's text for it.
    Panicked,
    Number(usize),
    Joined(End),
}

/// What each script saw, operation by operation; the closer's log is the last.
pub(crate) type Logs = Vec<Vec<Seen>>;

/// The value that operation `at` of script `id` sends: no two are equal.
pub(crate) fn value(id: Id, at: usize) -> u32 {
    (id * 1000 + at) as u32
}

impl Program {
    pub(crate) fn show(&self, logs: &Logs) -> String {
        let mut text = format!("capacities {:?}\n", self.caps);
        for (id, script) in self.scripts.iter().enumerate() {
            _ = writeln!(text, "script {id}, ends by {:?}", script.end);
            for (at, op) in script.ops.iter().enumerate() {
                _ = writeln!(text, "    {at}: {op:?} -> {:?}", logs[id].get(at));
            }
        }
        _ = writeln!(text, "closer -> {:?}", logs.last());
        text
    }
}

/// How a script is started by its parent.
#[derive(Clone, Copy, Debug)]
enum Tie {
    Joined(Kind),
    Detached(Kind),
    Group,
    Scope,
}

/// A script before it has its place in the tree: numbers that are reduced to what there is.
#[derive(Clone, Debug)]
struct Draft {
    ops: Vec<Op>,
    end: End,
    parent: usize,
    place: usize,
    join: usize,
    tie: Tie,
}

fn op(channels: usize) -> impl Strategy<Value = Op> {
    let c = 0..channels;
    let arms = prop::collection::vec((c.clone(), any::<bool>()), 1..5);
    let patience = prop_oneof![
        2 => Just(Patience::None),
        2 => any::<u8>().prop_map(Patience::Micros),
        3 => Just(Patience::Endless),
    ];
    prop_oneof![
        1 => (c.clone(), any::<u8>()).prop_map(|(c, us)| Op::SendTimeout(c, us)),
        1 => (c.clone(), any::<u8>()).prop_map(|(c, us)| Op::RecvTimeout(c, us)),
        6 => (arms, patience).prop_map(|(arms, patience)| Op::Select(arms, patience)),
        6 => c.clone().prop_map(Op::Send),
        6 => c.clone().prop_map(Op::Recv),
        2 => c.clone().prop_map(Op::TrySend),
        2 => c.clone().prop_map(Op::TryRecv),
        1 => c.clone().prop_map(Op::Close),
        1 => c.clone().prop_map(Op::Len),
        1 => c.prop_map(Op::IsClosed),
        2 => Just(Op::Yield),
        1 => any::<u8>().prop_map(Op::Sleep),
    ]
}

fn tie() -> impl Strategy<Value = Tie> {
    prop_oneof![
        4 => Just(Tie::Joined(Kind::Goroutine)),
        1 => Just(Tie::Joined(Kind::Thread)),
        3 => Just(Tie::Detached(Kind::Goroutine)),
        1 => Just(Tie::Detached(Kind::Thread)),
        2 => Just(Tie::Group),
        2 => Just(Tie::Scope),
    ]
}

fn draft(channels: usize) -> impl Strategy<Value = Draft> {
    let end = prop_oneof![4 => Just(End::Return), 1 => Just(End::Panic), 1 => Just(End::Goexit)];
    let ops = prop::collection::vec(op(channels), 0..7);
    (ops, end, any::<[u8; 3]>(), tie()).prop_map(|(ops, end, [parent, place, join], tie)| Draft {
        ops,
        end,
        parent: parent.into(),
        place: place.into(),
        join: join.into(),
        tie,
    })
}

/// Programs of up to seven parties over up to three channels.
pub(crate) fn programs() -> impl Strategy<Value = Program> {
    prop::collection::vec(0..4_usize, 1..4).prop_flat_map(|caps| {
        let drafts = prop::collection::vec(draft(caps.len()), 1..8);
        drafts.prop_map(move |drafts| plant(caps.clone(), drafts))
    })
}

/// Gives every draft but the first a parent that comes before it, and writes its start, and what
/// waits for it, into the parent's script.
fn plant(caps: Vec<usize>, drafts: Vec<Draft>) -> Program {
    let mut scripts: Vec<Script> =
        drafts.iter().map(|d| Script { ops: d.ops.clone(), end: d.end }).collect();
    scripts[0].end = End::Return;
    // From the last to the first: a script is whole before it moves into its parent.
    for (id, draft) in drafts.iter().enumerate().skip(1).rev() {
        let ops = &mut scripts[draft.parent % id].ops;
        let place = draft.place % (ops.len() + 1);
        match draft.tie {
            Tie::Joined(kind) | Tie::Detached(kind) => {
                ops.insert(place, Op::Start(id, kind));
                if matches!(draft.tie, Tie::Joined(_)) {
                    let room = ops.len() - place;
                    ops.insert(place + 1 + draft.join % room, Op::Join(id));
                }
            }
            Tie::Group | Tie::Scope => start_many(ops, place, id, draft.tie),
        }
        let on_thread =
            matches!(draft.tie, Tie::Joined(Kind::Thread) | Tie::Detached(Kind::Thread));
        let end = &mut scripts[id].end;
        // No goexit off a goroutine; a panic in a wait group's goroutine ends the process.
        if on_thread || matches!(draft.tie, Tie::Group) && *end == End::Panic {
            *end = End::Return;
        }
    }
    Program { caps, scripts }
}

/// Adds `id` to the group or scope at `place`, or begins one there.
fn start_many(ops: &mut Vec<Op>, place: usize, id: Id, tie: Tie) {
    match (ops.get_mut(place), tie) {
        (Some(Op::Group(ids)), Tie::Group) | (Some(Op::Scope(ids)), Tie::Scope) => ids.push(id),
        (_, Tie::Group) => ops.insert(place, Op::Group(vec![id])),
        _ => ops.insert(place, Op::Scope(vec![id])),
    }
}
