//! Undoing the beginning of a function: whether an instruction can be taken for its first one, and
//! where the caller's registers are then. Pure: code in, plan out.
//!
//! A frame that does not fit faults where it is first written to: in the prologue, in a probe of a
//! large frame, or at a store somewhat later. If all that can have run since the function's entry
//! has written nothing but registers and the function's own new frame, the function may as well not
//! have begun. What it got as arguments need not be restored, since it is not called again; only
//! what it keeps for its caller: rbx, rbp, r12 to r15, and the stack pointer.
//!
//! The analysis goes along the straight line from the entry first. If there are branches it is a data
//! flow analysis over the whole function. It tracks which register or slot of the frame still has a
//! value of the entry, and what is an address in the frame. A call, a store to anywhere else, a
//! landing pad make all that follows unclean; and an instruction that can be reached uncleanly is
//! unclean. What is written through an address *into* the frame is assumed to stay in its object, so
//! not to hit a saved register: what the compiler assumes as well.

use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Instruction, InstructionInfoFactory, Mnemonic, OpAccess,
    OpKind, Register,
};

/// Registers by their number in the instruction set.
pub(super) const RBX: usize = 3;
pub(super) const RSP: usize = 4;
pub(super) const RBP: usize = 5;
/// What a function keeps for its caller, beside the stack pointer.
pub(super) const KEPT: [usize; 6] = [RBX, RBP, 12, 13, 14, 15];

/// Branch targets of a function that is still looked into.
const LEADERS: usize = 512;
/// Steps of the analysis after which it gives up.
const PATIENCE: usize = 40_000;
/// Saved registers that are tracked.
const SLOTS: usize = 16;

/// How to get back to the entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The stack pointer of the entry is this register minus so many bytes.
    pub(super) sp: (usize, i64),
    /// Where each of [`KEPT`] is.
    pub(super) kept: [Place; 6],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Register(usize),
    /// In memory, from the entry's stack pointer.
    Slot(i64),
}

impl Plan {
    /// The registers of the entry, from those of now.
    pub(super) fn undo(&self, now: &[usize; 16], word: impl Fn(usize) -> usize) -> [usize; 16] {
        let mut then = *now;
        let sp = now[self.sp.0].wrapping_sub(self.sp.1 as usize);
        then[RSP] = sp;
        for (place, register) in self.kept.iter().zip(KEPT) {
            then[register] = match *place {
                Place::Register(r) => now[r],
                Place::Slot(at) => word(sp.wrapping_add_signed(at as isize)),
            };
        }
        then
    }
}

/// What is known of a register's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// What that register had at the entry.
    Entry(usize),
    /// The entry's stack pointer plus so much.
    Frame(i64),
    /// Some address in the frame.
    Near,
    Other,
}

impl Value {
    fn join(self, other: Self) -> Self {
        use Value::{Frame, Near, Other};
        match (self, other) {
            (a, b) if a == b => a,
            (Frame(_) | Near, Frame(_) | Near) => Near,
            _ => Other,
        }
    }

    fn plus(self, n: i64) -> Self {
        match self {
            Value::Frame(k) => Value::Frame(k.wrapping_add(n)),
            Value::Near => Value::Near,
            _ => Value::Other,
        }
    }

    fn in_frame(self) -> bool {
        matches!(self, Value::Frame(_) | Value::Near)
    }
}

/// What is known before an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct State {
    registers: [Value; 16],
    /// (offset, register): the slot has the entry's value of a kept register.
    slots: [(i64, usize); SLOTS],
    count: usize,
    /// Something other than the frame may have been changed.
    unclean: bool,
}

impl State {
    fn entry() -> Self {
        let mut registers = [Value::Other; 16];
        for (r, value) in registers.iter_mut().enumerate() {
            *value = if r == RSP { Value::Frame(0) } else { Value::Entry(r) };
        }
        Self { registers, slots: [(0, 0); SLOTS], count: 0, unclean: false }
    }

    fn unclean() -> Self {
        let registers = [Value::Other; 16];
        Self { registers, slots: [(0, 0); SLOTS], count: 0, unclean: true }
    }

    fn slots(&self) -> &[(i64, usize)] {
        &self.slots[..self.count]
    }

    fn slot(&self, at: i64) -> Value {
        let found = self.slots().iter().find(|s| s.0 == at);
        found.map_or(Value::Other, |s| Value::Entry(s.1))
    }

    fn join(&mut self, other: &Self) {
        for (a, b) in self.registers.iter_mut().zip(other.registers) {
            *a = a.join(b);
        }
        let mut count = 0;
        for i in 0..self.count {
            if other.slots().contains(&self.slots[i]) {
                self.slots[count] = self.slots[i];
                count += 1;
            }
        }
        self.count = count;
        self.unclean |= other.unclean;
    }

    /// `size` bytes are written at `to`; `value` is what, if it is a whole register.
    fn write(&mut self, to: Value, size: i64, value: Value) {
        match to {
            // The return address and what is above it are not the function's.
            Value::Frame(at) if at + size > 0 => self.unclean = true,
            Value::Frame(at) => {
                let mut count = 0;
                for i in 0..self.count {
                    let apart = self.slots[i].0 + 8 <= at || at + size <= self.slots[i].0;
                    if apart {
                        self.slots[count] = self.slots[i];
                        count += 1;
                    }
                }
                self.count = count;
                if let Value::Entry(r) = value
                    && KEPT.contains(&r)
                    && size == 8
                    && self.count < SLOTS
                {
                    self.slots[self.count] = (at, r);
                    self.count += 1;
                }
            }
            Value::Near => {}
            _ => self.unclean = true,
        }
    }

    fn plan(&self) -> Option<Plan> {
        if self.unclean {
            return None;
        }
        let offset = |r: usize| match self.registers[r] {
            Value::Frame(k) => Some((r, k)),
            _ => None,
        };
        let sp = offset(RSP).or_else(|| (0..16).find_map(offset))?;
        let mut kept = [Place::Register(0); 6];
        for (place, r) in kept.iter_mut().zip(KEPT) {
            let has = |q: &usize| self.registers[*q] == Value::Entry(r);
            let register = Some(r).filter(has).or_else(|| (0..16).find(has));
            let slot = || self.slots().iter().find(|s| s.1 == r).map(|s| Place::Slot(s.0));
            *place = register.map(Place::Register).or_else(slot)?;
        }
        Some(Plan { sp, kept })
    }
}

/// The analysis, with room for its work: it does not allocate.
pub(super) struct Analysis {
    infos: InstructionInfoFactory,
    leaders: Vec<u64>,
    states: Vec<Option<State>>,
    work: Vec<usize>,
}

/// A function's code, and where it lies.
#[derive(Clone, Copy)]
pub(super) struct Code<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) start: usize,
}

impl<'a> Code<'a> {
    fn decoder(&self, at: u64) -> Decoder<'a> {
        let skip = (at as usize - self.start).min(self.bytes.len());
        Decoder::with_ip(64, &self.bytes[skip..], at, DecoderOptions::NONE)
    }

    fn contains(&self, at: u64) -> bool {
        (self.start..self.start + self.bytes.len()).contains(&(at as usize))
    }
}

impl Analysis {
    pub(super) fn new() -> Self {
        Self {
            infos: InstructionInfoFactory::new(),
            leaders: Vec::with_capacity(LEADERS),
            states: Vec::with_capacity(LEADERS),
            work: Vec::with_capacity(LEADERS),
        }
    }

    /// How to come from before the instruction at `pc` back to the entry. `pads` are the offsets of
    /// the function's landing pads.
    pub(super) fn plan(
        &mut self,
        code: Code<'_>,
        pc: usize,
        pads: impl FnOnce(&mut dyn FnMut(usize)),
    ) -> Option<Plan> {
        let complete = self.find_leaders(code, pads);
        let inside = (code.start as u64 + 1)..=pc as u64;
        let comes_back = self.leaders.iter().any(|l| inside.contains(l));
        let known = complete.is_some() || self.leaders.len() < LEADERS;
        if known
            && !comes_back
            && let Some(state) = self.straight(code, pc as u64)
        {
            return state.plan();
        }
        complete?;
        self.flow(code, pc as u64)?.plan()
    }

    /// The state at `pc` if nothing between the entry and it branches. Nothing may branch back there
    /// either: a loop faults at its second turn as well as at its first.
    fn straight(&mut self, code: Code<'_>, pc: u64) -> Option<State> {
        let mut state = State::entry();
        for instruction in code.decoder(code.start as u64).iter() {
            if instruction.ip() == pc {
                return Some(state);
            }
            let plain = instruction.flow_control() == FlowControl::Next;
            if instruction.is_invalid() || !plain || instruction.ip() > pc {
                return None;
            }
            self.step(&instruction, &mut state);
        }
        None
    }

    /// Finds where control can arrive other than from the instruction before.
    fn find_leaders(
        &mut self,
        code: Code<'_>,
        pads: impl FnOnce(&mut dyn FnMut(usize)),
    ) -> Option<()> {
        let Self { leaders, states, work, .. } = self;
        leaders.clear();
        states.clear();
        work.clear();
        let (mut full, mut indirect) = (false, false);
        let mut add = |leaders: &mut Vec<u64>, at: u64| {
            if code.contains(at) && !leaders.contains(&at) {
                full |= leaders.len() == LEADERS;
                if leaders.len() < LEADERS {
                    leaders.push(at);
                }
            }
        };
        add(leaders, code.start as u64);
        pads(&mut |offset| add(leaders, (code.start + offset) as u64));
        let unclean = leaders.len();
        for instruction in code.decoder(code.start as u64).iter() {
            match instruction.flow_control() {
                FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch => {
                    add(leaders, instruction.near_branch_target());
                }
                FlowControl::IndirectBranch => indirect = true,
                _ => {}
            }
        }
        if full || indirect {
            return None;
        }
        states.push(Some(State::entry()));
        states.resize(unclean, Some(State::unclean()));
        states.resize(leaders.len(), None);
        work.extend(0..unclean);
        Some(())
    }

    /// Runs the data flow to its end; the state at `pc`.
    fn flow(&mut self, code: Code<'_>, pc: u64) -> Option<State> {
        let mut at_pc: Option<State> = None;
        let mut patience = PATIENCE;
        while let Some(leader) = self.work.pop() {
            let mut state = self.states[leader].expect("in the queue because it has one");
            let mut decoder = code.decoder(self.leaders[leader]);
            while decoder.can_decode() {
                let instruction = decoder.decode();
                patience = patience.checked_sub(1)?;
                if instruction.is_invalid() {
                    return None;
                }
                if instruction.ip() == pc {
                    at_pc.get_or_insert(state).join(&state);
                }
                self.step(&instruction, &mut state);
                let flow = instruction.flow_control();
                if matches!(flow, FlowControl::ConditionalBranch | FlowControl::UnconditionalBranch)
                {
                    self.arrive(instruction.near_branch_target(), &state);
                }
                let goes_on = matches!(
                    flow,
                    FlowControl::Next
                        | FlowControl::ConditionalBranch
                        | FlowControl::Call
                        | FlowControl::IndirectCall
                );
                if !goes_on || self.arrive(instruction.next_ip(), &state) {
                    break;
                }
            }
        }
        at_pc
    }

    /// Control can come to `at` with `state`; whether that is a leader, which sees to the rest.
    fn arrive(&mut self, at: u64, state: &State) -> bool {
        let Some(leader) = self.leaders.iter().position(|l| *l == at) else { return false };
        let before = self.states[leader];
        let after = match before {
            None => *state,
            Some(mut joined) => {
                joined.join(state);
                joined
            }
        };
        if before != Some(after) {
            self.states[leader] = Some(after);
            if !self.work.contains(&leader) {
                self.work.push(leader);
            }
        }
        true
    }

    /// What an instruction does to what is known.
    fn step(&mut self, i: &Instruction, state: &mut State) {
        if !known(i, state) {
            self.unknown(i, state);
        }
    }

    /// Any instruction: by what it reads and writes.
    fn unknown(&mut self, i: &Instruction, state: &mut State) {
        match i.flow_control() {
            FlowControl::Next
            | FlowControl::ConditionalBranch
            | FlowControl::UnconditionalBranch => {}
            _ => state.unclean = true,
        }
        if matches!(i.mnemonic(), Mnemonic::Syscall | Mnemonic::Std | Mnemonic::Int) {
            state.unclean = true;
        }
        let info = self.infos.info(i);
        let mut to_frame = true;
        for memory in info.used_memory() {
            if writes(memory.access()) {
                let base = value_of(state, memory.base());
                let plain = memory.index() == Register::None && !i.is_string_instruction();
                let size = memory.memory_size().size() as i64;
                let direct = memory.segment() != Register::FS && memory.segment() != Register::GS;
                let to = base.plus(memory.displacement().cast_signed());
                match to {
                    Value::Frame(_) if plain && direct && size > 0 => {
                        state.write(to, size, Value::Other);
                    }
                    _ => to_frame &= direct && base.in_frame(),
                }
            }
        }
        state.unclean |= !to_frame;
        for register in info.used_registers() {
            if writes(register.access())
                && let Some(n) = number(register.register())
            {
                state.registers[n] = Value::Other;
            }
        }
    }
}

/// The instructions that prologues are made of; false for any other.
fn known(i: &Instruction, state: &mut State) -> bool {
    let wide = |n: u32| i.op_kind(n) == OpKind::Register && i.op_register(n).is_gpr64();
    match i.mnemonic() {
        Mnemonic::Push => {
            let value = if wide(0) { value_of(state, i.op0_register()) } else { Value::Other };
            let top = state.registers[RSP].plus(-8);
            state.registers[RSP] = top;
            state.write(top, 8, value);
        }
        Mnemonic::Pop if wide(0) => {
            let top = state.registers[RSP];
            let value = if let Value::Frame(at) = top { state.slot(at) } else { Value::Other };
            state.registers[RSP] = top.plus(8);
            set(state, i.op0_register(), value);
        }
        Mnemonic::Mov if wide(0) && wide(1) => {
            let value = value_of(state, i.op1_register());
            set(state, i.op0_register(), value);
        }
        Mnemonic::Mov if wide(0) && i.op1_kind() == OpKind::Memory => {
            let value = match address(i, state) {
                Value::Frame(at) => state.slot(at),
                _ => Value::Other,
            };
            set(state, i.op0_register(), value);
        }
        Mnemonic::Mov if wide(1) && i.op0_kind() == OpKind::Memory => {
            let (to, value) = (address(i, state), value_of(state, i.op1_register()));
            state.write(to, 8, value);
        }
        Mnemonic::Lea if wide(0) => {
            let value = address(i, state);
            set(state, i.op0_register(), value);
        }
        Mnemonic::Sub | Mnemonic::Add | Mnemonic::And if wide(0) => {
            let before = value_of(state, i.op0_register());
            let by = constant(i).map(|n| if i.mnemonic() == Mnemonic::Sub { -n } else { n });
            let value = match by {
                Some(n) if i.mnemonic() != Mnemonic::And => before.plus(n),
                _ if before.in_frame() && i.op1_kind() != OpKind::Memory => Value::Near,
                _ => Value::Other,
            };
            set(state, i.op0_register(), value);
        }
        _ => return false,
    }
    true
}

fn constant(i: &Instruction) -> Option<i64> {
    use OpKind::{Immediate8to64, Immediate32to64, Immediate64};
    matches!(i.op1_kind(), Immediate8to64 | Immediate32to64 | Immediate64)
        .then(|| i.immediate(1).cast_signed())
}

/// The address of the memory operand, as far as it is one in the frame.
fn address(i: &Instruction, state: &State) -> Value {
    if matches!(i.memory_segment(), Register::FS | Register::GS) && i.mnemonic() != Mnemonic::Lea {
        return Value::Other;
    }
    let base = value_of(state, i.memory_base());
    match i.memory_index() {
        Register::None => base.plus(i.memory_displacement64().cast_signed()),
        _ if base.in_frame() => Value::Near,
        index if i.memory_index_scale() == 1 && value_of(state, index).in_frame() => Value::Near,
        _ => Value::Other,
    }
}

fn writes(access: OpAccess) -> bool {
    use OpAccess::{CondWrite, ReadCondWrite, ReadWrite, Write};
    matches!(access, Write | CondWrite | ReadWrite | ReadCondWrite)
}

fn number(register: Register) -> Option<usize> {
    register.is_gpr().then(|| register.full_register().number())
}

fn value_of(state: &State, register: Register) -> Value {
    if register.is_gpr64() { state.registers[register.number()] } else { Value::Other }
}

fn set(state: &mut State, register: Register, value: Value) {
    state.registers[register.number()] = value;
}
