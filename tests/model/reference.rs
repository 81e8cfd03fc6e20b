//! The reference: channels, starts and joins as plain data, one step at a time, and a search for
//! an order of steps in which every party sees what it has written down.
//!
//! The search goes through states, not through orders: what a party has seen so far is a prefix of
//! its log, so a state is how far everyone is and what the channels hold.

use crate::program::{End, Id, Logs, Op, Program, Seen, value};
use std::collections::{HashSet, VecDeque};

/// States looked at before giving up.
const LIMIT: usize = 300_000;

pub(crate) enum Verdict {
    Legal,
    Illegal,
    /// More states than we care to look at.
    Unclear,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Party {
    Unborn,
    /// About to perform its next operation.
    At(u8),
    /// Stands in a channel's queue with it.
    Waits(u8),
}

#[derive(Clone, Default, PartialEq, Eq, Hash)]
struct Channel {
    buffer: VecDeque<u32>,
    senders: VecDeque<Id>,
    receivers: VecDeque<Id>,
    closed: bool,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct State {
    parties: Vec<Party>,
    channels: Vec<Channel>,
}

struct Search<'a> {
    program: &'a Program,
    logs: &'a Logs,
    /// The closer's script: the last party.
    closer: Vec<Op>,
}

/// Whether some order of steps explains the logs.
pub(crate) fn explain(program: &Program, logs: &Logs) -> Verdict {
    let closer = (0..program.caps.len()).map(Op::Close).collect();
    let search = Search { program, logs, closer };
    let mut parties = vec![Party::Unborn; program.scripts.len() + 1];
    parties[0] = Party::At(0);
    parties[program.scripts.len()] = Party::At(0);
    let start = State { parties, channels: vec![Channel::default(); program.caps.len()] };
    let (mut seen, mut open) = (HashSet::from([start.clone()]), vec![start]);
    while let Some(state) = open.pop() {
        if search.is_end(&state) {
            return Verdict::Legal;
        }
        if seen.len() > LIMIT {
            return Verdict::Unclear;
        }
        for id in 0..state.parties.len() {
            let mut next = state.clone();
            if search.step(&mut next, id).is_some() && seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    Verdict::Illegal
}

impl Search<'_> {
    fn ops(&self, id: Id) -> &[Op] {
        self.program.scripts.get(id).map_or(&self.closer, |script| &script.ops)
    }

    fn ended(&self, state: &State, id: Id) -> bool {
        state.parties[id] == Party::At(self.ops(id).len() as u8)
    }

    fn is_end(&self, state: &State) -> bool {
        (0..state.parties.len()).all(|id| self.ended(state, id))
    }

    fn end_of(&self, id: Id) -> End {
        self.program.scripts[id].end
    }

    /// `id` performs its next operation. `None` if it cannot now, or if somebody would see something
    /// else than is written down.
    fn step(&self, state: &mut State, id: Id) -> Option<()> {
        let Party::At(at) = state.parties[id] else { return None };
        match self.ops(id).get(usize::from(at))? {
            Op::Yield | Op::Sleep(_) => self.saw(state, id, Seen::Done),
            Op::Start(child, _) => {
                state.parties[*child] = Party::At(0);
                self.saw(state, id, Seen::Done)
            }
            Op::Join(child) => {
                self.ended(state, *child).then_some(())?;
                self.saw(state, id, Seen::Joined(self.end_of(*child)))
            }
            Op::Group(ids) | Op::Scope(ids) => self.step_many(state, id, ids),
            op => self.step_channel(state, id, op),
        }
    }

    /// The first time starts them, the next time they must have ended. A scope panics with a child.
    fn step_many(&self, state: &mut State, id: Id, ids: &[Id]) -> Option<()> {
        if state.parties[ids[0]] == Party::Unborn {
            for &child in ids {
                state.parties[child] = Party::At(0);
            }
            return Some(());
        }
        ids.iter().all(|&child| self.ended(state, child)).then_some(())?;
        let panics = ids.iter().any(|&child| self.end_of(child) == End::Panic);
        self.saw(state, id, if panics { Seen::Panicked } else { Seen::Done })
    }

    fn step_channel(&self, state: &mut State, id: Id, op: &Op) -> Option<()> {
        match *op {
            Op::Send(c) => self.send(state, id, c, true),
            Op::TrySend(c) => self.send(state, id, c, false),
            Op::Recv(c) => self.recv(state, id, c, true),
            Op::TryRecv(c) => self.recv(state, id, c, false),
            Op::Len(c) => {
                let len = state.channels[c].buffer.len();
                self.saw(state, id, Seen::Number(len))
            }
            Op::IsClosed(c) => {
                let closed = state.channels[c].closed;
                self.saw(state, id, Seen::Number(usize::from(closed)))
            }
            Op::Close(c) => self.close(state, id, c),
            _ => unreachable!("{op:?} uses no channel"),
        }
    }

    fn send(&self, state: &mut State, id: Id, c: usize, wait: bool) -> Option<()> {
        let v = self.value_of(state, id);
        let channel = &mut state.channels[c];
        if channel.closed {
            return self.saw(state, id, Seen::Panicked);
        }
        if let Some(receiver) = channel.receivers.pop_front() {
            self.saw(state, receiver, Seen::Value(v))?;
            return self.saw(state, id, Seen::Done);
        }
        if channel.buffer.len() < self.program.caps[c] {
            channel.buffer.push_back(v);
            return self.saw(state, id, Seen::Done);
        }
        if !wait {
            return self.saw(state, id, Seen::Full);
        }
        channel.senders.push_back(id);
        self.wait(state, id)
    }

    fn recv(&self, state: &mut State, id: Id, c: usize, wait: bool) -> Option<()> {
        let sender = state.channels[c].senders.pop_front();
        let sent = sender.map(|sender| self.value_of(state, sender));
        let channel = &mut state.channels[c];
        // What is buffered comes first; a waiting sender's value takes its place.
        channel.buffer.extend(sent);
        if let Some(v) = channel.buffer.pop_front() {
            if let Some(sender) = sender {
                self.saw(state, sender, Seen::Done)?;
            }
            return self.saw(state, id, Seen::Value(v));
        }
        if channel.closed {
            return self.saw(state, id, Seen::Closed);
        }
        if !wait {
            return self.saw(state, id, Seen::Empty);
        }
        channel.receivers.push_back(id);
        self.wait(state, id)
    }

    fn close(&self, state: &mut State, id: Id, c: usize) -> Option<()> {
        let channel = &mut state.channels[c];
        if std::mem::replace(&mut channel.closed, true) {
            return self.saw(state, id, Seen::Panicked);
        }
        let receivers = std::mem::take(&mut channel.receivers);
        let senders = std::mem::take(&mut channel.senders);
        receivers.into_iter().try_for_each(|r| self.saw(state, r, Seen::Closed))?;
        senders.into_iter().try_for_each(|s| self.saw(state, s, Seen::Panicked))?;
        self.saw(state, id, Seen::Done)
    }

    /// What `id` sends with the operation it is at.
    fn value_of(&self, state: &State, id: Id) -> u32 {
        match state.parties[id] {
            Party::At(at) | Party::Waits(at) => value(id, at.into()),
            Party::Unborn => unreachable!("the unborn send nothing"),
        }
    }

    /// `id` will be served by somebody else.
    fn wait(&self, state: &mut State, id: Id) -> Option<()> {
        let Party::At(at) = state.parties[id] else { unreachable!("it performs an operation") };
        state.parties[id] = Party::Waits(at);
        Some(())
    }

    /// The operation of `id` is complete: it must have seen just this.
    fn saw(&self, state: &mut State, id: Id, seen: Seen) -> Option<()> {
        let (Party::At(at) | Party::Waits(at)) = state.parties[id] else {
            unreachable!("the unborn see nothing")
        };
        (self.logs[id].get(usize::from(at)) == Some(&seen)).then_some(())?;
        state.parties[id] = Party::At(at + 1);
        Some(())
    }
}

/// The reference itself refuses what is illegal, and finds what is not obvious.
#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Kind, Script};

    fn two(caps: usize, child: &[Op], root: &[Op]) -> Program {
        let script = |ops: Vec<Op>| Script { ops, end: End::Return };
        let start = [Op::Start(1, Kind::Goroutine)];
        Program {
            caps: vec![caps],
            scripts: vec![script([&start, root].concat()), script(child.to_vec())],
        }
    }

    fn legal(program: &Program, root: &[Seen], child: &[Seen]) -> bool {
        let logs = vec![[&[Seen::Done], root].concat(), child.to_vec(), vec![Seen::Done]];
        matches!(explain(program, &logs), Verdict::Legal)
    }

    #[test]
    fn values_are_neither_invented_nor_overtaken_nor_lost() {
        use Seen::{Closed, Done, Value};
        let program = two(2, &[Op::Send(0), Op::Send(0)], &[Op::Recv(0), Op::Recv(0)]);
        let (a, b) = (value(1, 0), value(1, 1));
        assert!(legal(&program, &[Value(a), Value(b)], &[Done, Done]));
        assert!(!legal(&program, &[Value(b), Value(a)], &[Done, Done]));
        assert!(!legal(&program, &[Value(a), Value(a)], &[Done, Done]));
        assert!(!legal(&program, &[Value(7), Value(b)], &[Done, Done]));
        assert!(!legal(&program, &[Closed, Value(b)], &[Done, Done]));
        // Closed before the second send, or even before the first.
        assert!(legal(&program, &[Value(a), Closed], &[Done, Seen::Panicked]));
        assert!(!legal(&program, &[Value(a), Closed], &[Done, Done]));
        assert!(legal(&program, &[Closed, Closed], &[Seen::Panicked, Seen::Panicked]));
    }

    #[test]
    fn a_rendezvous_has_no_buffer() {
        use Seen::{Done, Full, Value};
        let program = two(0, &[Op::TrySend(0)], &[Op::Recv(0), Op::TryRecv(0)]);
        let v = value(1, 0);
        assert!(legal(&program, &[Value(v), Seen::Empty], &[Done]));
        assert!(legal(&program, &[Seen::Closed, Seen::Closed], &[Full]));
        assert!(!legal(&program, &[Value(v), Seen::Empty], &[Full]));
        let program = two(0, &[Op::TrySend(0)], &[Op::TryRecv(0)]);
        assert!(!legal(&program, &[Value(v)], &[Done]), "two tries never meet");
    }
}
