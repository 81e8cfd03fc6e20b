//! The reference: channels, starts and joins as plain data, one step at a time, and a search for
//! an order of steps in which every party sees what it has written down.
//!
//! The search goes through states, not through orders: what a party has seen so far is a prefix of
//! its log, so a state is how far everyone is and what the channels hold.

use crate::program::{End, Id, Logs, Op, Patience, Program, Seen, value};
use std::collections::{HashSet, VecDeque};

/// States looked at before giving up.
const LIMIT: usize = 50_000;

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
    senders: VecDeque<Record>,
    receivers: VecDeque<Record>,
    closed: bool,
}

/// A party in a queue, and with which arm if it selects.
type Record = (Id, u8);

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
            Op::Send(c) => self.send_or(state, (id, 0), c, None),
            Op::TrySend(c) | Op::SendTimeout(c, _) => {
                self.send_or(state, (id, 0), c, Some(Seen::Full))
            }
            Op::Recv(c) => self.recv_or(state, (id, 0), c, None),
            Op::TryRecv(c) | Op::RecvTimeout(c, _) => {
                self.recv_or(state, (id, 0), c, Some(Seen::Empty))
            }
            Op::Select(ref arms, patience) => self.select(state, id, arms, patience),
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

    /// Sends, or has seen `otherwise`, or waits. A time limit that was reached is as no patience: who
    /// was not served while it waited might as well not have waited.
    fn send_or(
        &self,
        state: &mut State,
        me: Record,
        c: usize,
        otherwise: Option<Seen>,
    ) -> Option<()> {
        if let Some(done) = self.send(state, me, c) {
            return done;
        }
        if otherwise.is_some_and(|seen| self.is_next(state, me.0, seen)) {
            return self.saw(state, me.0, otherwise?);
        }
        if matches!(self.op(state, me.0), Op::TrySend(_)) {
            return None;
        }
        state.channels[c].senders.push_back(me);
        self.wait(state, me.0)
    }

    fn recv_or(
        &self,
        state: &mut State,
        me: Record,
        c: usize,
        otherwise: Option<Seen>,
    ) -> Option<()> {
        if let Some(done) = self.recv(state, me, c) {
            return done;
        }
        if otherwise.is_some_and(|seen| self.is_next(state, me.0, seen)) {
            return self.saw(state, me.0, otherwise?);
        }
        if matches!(self.op(state, me.0), Op::TryRecv(_)) {
            return None;
        }
        state.channels[c].receivers.push_back(me);
        self.wait(state, me.0)
    }

    /// Performs the arm that the log names, which must be ready; if none is, waits in every queue.
    fn select(
        &self,
        state: &mut State,
        id: Id,
        arms: &[(usize, bool)],
        patience: Patience,
    ) -> Option<()> {
        let mut any = false;
        for (arm, &(c, send)) in (0..).zip(arms) {
            let mut next = state.clone();
            let done = if send {
                self.send(&mut next, (id, arm), c)
            } else {
                self.recv(&mut next, (id, arm), c)
            };
            any |= done.is_some();
            if done == Some(Some(())) {
                *state = next;
                return Some(());
            }
        }
        if any {
            return None;
        }
        if self.is_next(state, id, Seen::Nothing) {
            return self.saw(state, id, Seen::Nothing);
        }
        if patience == Patience::None {
            return None;
        }
        for (arm, &(c, send)) in (0..).zip(arms) {
            let channel = &mut state.channels[c];
            let queue = if send { &mut channel.senders } else { &mut channel.receivers };
            queue.push_back((id, arm));
        }
        self.wait(state, id)
    }

    /// Sends if that needs no waiting (`None`: it does); the rest as for [`step`](Self::step).
    fn send(&self, state: &mut State, me: Record, c: usize) -> Option<Option<()>> {
        let v = self.value_of(state, me.0);
        let channel = &mut state.channels[c];
        if channel.closed {
            return Some(self.ends(state, me, Seen::Panicked));
        }
        if let Some(receiver) = channel.receivers.pop_front() {
            let served = self.ends(state, receiver, Seen::Value(v));
            return Some(served.and_then(|()| self.ends(state, me, Seen::Done)));
        }
        if channel.buffer.len() < self.program.caps[c] {
            channel.buffer.push_back(v);
            return Some(self.ends(state, me, Seen::Done));
        }
        None
    }

    fn recv(&self, state: &mut State, me: Record, c: usize) -> Option<Option<()>> {
        let sender = state.channels[c].senders.pop_front();
        let sent = sender.map(|sender| self.value_of(state, sender.0));
        let channel = &mut state.channels[c];
        // What is buffered comes first; a waiting sender's value takes its place.
        channel.buffer.extend(sent);
        if let Some(v) = channel.buffer.pop_front() {
            let served = sender.map_or(Some(()), |s| self.ends(state, s, Seen::Done));
            return Some(served.and_then(|()| self.ends(state, me, Seen::Value(v))));
        }
        channel.closed.then(|| self.ends(state, me, Seen::Closed))
    }

    fn close(&self, state: &mut State, id: Id, c: usize) -> Option<()> {
        let channel = &mut state.channels[c];
        if std::mem::replace(&mut channel.closed, true) {
            return self.saw(state, id, Seen::Panicked);
        }
        while let Some(receiver) = state.channels[c].receivers.pop_front() {
            self.ends(state, receiver, Seen::Closed)?;
        }
        while let Some(sender) = state.channels[c].senders.pop_front() {
            self.ends(state, sender, Seen::Panicked)?;
        }
        self.saw(state, id, Seen::Done)
    }

    /// An operation on a channel ends, in the words of what was performed: a party that stood in
    /// several queues leaves them all.
    fn ends(&self, state: &mut State, (id, arm): Record, outcome: Seen) -> Option<()> {
        for channel in &mut state.channels {
            channel.senders.retain(|record| record.0 != id);
            channel.receivers.retain(|record| record.0 != id);
        }
        let seen = match (self.op(state, id), outcome) {
            (Op::Select(..), Seen::Value(v)) => Seen::Got(arm, v),
            (Op::Select(..), Seen::Closed) => Seen::GotNone(arm),
            (Op::Select(..), Seen::Done) => Seen::Sent(arm),
            (Op::SendTimeout(..), Seen::Panicked) => Seen::Closed,
            _ => outcome,
        };
        self.saw(state, id, seen)
    }

    /// The operation that `id` is at.
    fn op(&self, state: &State, id: Id) -> &Op {
        match state.parties[id] {
            Party::At(at) | Party::Waits(at) => &self.ops(id)[usize::from(at)],
            Party::Unborn => unreachable!("the unborn perform nothing"),
        }
    }

    /// Whether this is what `id` will have seen of its operation.
    fn is_next(&self, state: &State, id: Id, seen: Seen) -> bool {
        let (Party::At(at) | Party::Waits(at)) = state.parties[id] else { return false };
        self.logs[id].get(usize::from(at)) == Some(&seen)
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
        self.is_next(state, id, seen).then_some(())?;
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
