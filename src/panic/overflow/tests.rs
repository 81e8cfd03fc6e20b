//! The analysis of function beginnings against hand-written ones, and against every function of this
//! test program: there the unwind tables say where the caller's registers are.

use super::frames::{self, Walker};
use super::rollback::{Analysis, Code, KEPT, Place, Plan, RBP, RBX, RSP};
use iced_x86::{Decoder, DecoderOptions, FlowControl};

const START: usize = 0x1000;

/// The plan at `offset` of a function made of these instructions.
fn plan(bytes: &[u8], offset: usize) -> Option<Plan> {
    Analysis::new().plan(Code { bytes, start: START }, START + offset, |_| {})
}

fn in_place() -> [Place; 6] {
    KEPT.map(Place::Register)
}

#[test]
fn a_prologue_is_undone_push_by_push() {
    // push rbp; mov rbp,rsp; push rbx; sub rsp,0x28; mov [rbp-0x10],rdi; xor ebx,ebx; mov [rsp],rbx
    let code = [
        0x55, 0x48, 0x89, 0xe5, 0x53, 0x48, 0x83, 0xec, 0x28, 0x48, 0x89, 0x7d, 0xf0, 0x31, 0xdb,
        0x48, 0x89, 0x1c, 0x24,
    ];
    for (offset, below) in [(0, 0), (1, 8), (4, 8), (5, 16), (9, 56), (13, 56), (15, 56)] {
        let plan = plan(&code, offset).expect("clean");
        assert_eq!(plan.sp, (RSP, -below), "at {offset}");
        let rbp = if offset < 4 { Place::Register(RBP) } else { Place::Slot(-8) };
        assert_eq!(plan.kept[1], rbp, "at {offset}");
    }
    let late = plan(&code, 15).expect("clean");
    assert_eq!(late.kept[0], Place::Slot(-16), "rbx is overwritten, its slot is not");
    assert_eq!(late.kept[2..], in_place()[2..]);
    let mut now = [0; 16];
    (now[RSP], now[RBP], now[12]) = (0x8000, 0x8030, 12);
    let then = late.undo(&now, |at| at);
    assert_eq!((then[RSP], then[RBP], then[RBX], then[12]), (0x8038, 0x8030, 0x8028, 12));
}

#[test]
fn what_is_written_elsewhere_makes_it_unclean() {
    // mov [rdi],rax; nop
    assert!(plan(&[0x48, 0x89, 0x07, 0x90], 3).is_none());
    // mov [rsp+8],rdi: the caller's
    assert!(plan(&[0x48, 0x89, 0x7c, 0x24, 0x08, 0x90], 5).is_none());
    // mov [rsp],rdi: the return address
    assert!(plan(&[0x48, 0x89, 0x3c, 0x24, 0x90], 4).is_none());
    // mov fs:[0x10],rax
    assert!(plan(&[0x64, 0x48, 0x89, 0x04, 0x25, 0x10, 0, 0, 0, 0x90], 9).is_none());
    // mov [rsp-8],rdi: the red zone is the function's
    assert!(plan(&[0x48, 0x89, 0x7c, 0x24, 0xf8, 0x90], 5).is_some());
}

#[test]
fn after_a_call_nothing_is_clean() {
    // push rax; call next; pop rcx
    let code = [0x50, 0xe8, 0, 0, 0, 0, 0x59];
    assert!(plan(&code, 1).is_some());
    assert!(plan(&code, 6).is_none());
    // syscall; nop
    assert!(plan(&[0x0f, 0x05, 0x90], 2).is_none());
}

#[test]
fn a_probe_loop_is_undone_through_the_register_that_ends_it() {
    // lea r11,[rsp-0x10000]; l: sub rsp,0x1000; mov qword [rsp],0; cmp rsp,r11; jne l
    let code = [
        0x4c, 0x8d, 0x9c, 0x24, 0x00, 0x00, 0xff, 0xff, 0x48, 0x81, 0xec, 0x00, 0x10, 0x00, 0x00,
        0x48, 0xc7, 0x04, 0x24, 0, 0, 0, 0, 0x4c, 0x39, 0xdc, 0x75, 0xec,
    ];
    let plan = plan(&code, 15).expect("clean");
    assert_eq!(plan.sp, (11, -0x10000));
    assert_eq!(plan.kept, in_place());
}

#[test]
fn a_branch_that_comes_back_from_a_call_is_unclean() {
    // l: push rax; test edi,edi; je e; call next; jmp l; e: ret
    let code = [0x50, 0x85, 0xff, 0x74, 0x07, 0xe8, 0, 0, 0, 0, 0xeb, 0xf4, 0xc3];
    assert!(plan(&code, 1).is_some(), "on the straight line from the entry");
    assert!(plan(&code, 12).is_none(), "reached from the call as well");
    // test edi,edi; je e; push rbx; pop rbx; e: nop: whichever way, nothing has changed
    let code = [0x85, 0xff, 0x74, 0x02, 0x53, 0x5b, 0x90];
    assert_eq!(plan(&code, 6).expect("clean").sp, (RSP, 0));
    // test edi,edi; je e; push rbx; e: nop: the stack pointer depends
    let code = [0x85, 0xff, 0x74, 0x01, 0x53, 0x90];
    assert!(plan(&code, 5).is_none());
}

#[test]
fn landing_pads_are_unclean() {
    // jmp e; p: nop; e: nop, with a pad at p that runs into e
    let code = [0xeb, 0x01, 0x90, 0x90];
    let pads = |each: &mut dyn FnMut(usize)| each(2);
    let with = Analysis::new().plan(Code { bytes: &code, start: START }, START + 3, pads);
    assert!(with.is_none());
    assert!(plan(&code, 3).is_some());
}

#[test]
fn what_cannot_be_understood_is_refused() {
    assert!(plan(&[0x06, 0x90], 1).is_none(), "no instruction");
    // test; je +3; jmp rax; ...
    assert!(plan(&[0x85, 0xff, 0x74, 0x02, 0xff, 0xe0, 0x90], 6).is_none(), "an indirect jump");
    assert!(plan(&[0x48, 0x89, 0xc8, 0x90], 1).is_none(), "the middle of an instruction");
    // and rsp,-64: realigned, and no register left that knows
    assert!(plan(&[0x48, 0x83, 0xe4, 0xc0, 0x90], 4).is_none());
    // mov rbp,rsp; and rsp,-64: rbp knows, but the caller's rbp is gone
    assert!(plan(&[0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xc0, 0x90], 7).is_none());
    // push rbp; mov rbp,rsp; and rsp,-64
    let plan = plan(&[0x55, 0x48, 0x89, 0xe5, 0x48, 0x83, 0xe4, 0xc0, 0x90], 8).expect("clean");
    assert_eq!((plan.sp, plan.kept[1]), ((RBP, -8), Place::Slot(-8)));
}

/// The instructions of a function up to the first that is not a plain one, with the call's own.
fn beginning(bytes: &'static [u8], start: usize) -> Vec<usize> {
    let mut all = Vec::new();
    for i in Decoder::with_ip(64, bytes, start as u64, DecoderOptions::NONE).iter() {
        all.push(i.ip() as usize);
        if !matches!(i.flow_control(), FlowControl::Next | FlowControl::ConditionalBranch) {
            break;
        }
    }
    all
}

/// DWARF's number of a register of the instruction set, among those that matter here.
fn dwarf(register: usize) -> usize {
    match register {
        RSP => frames::RSP,
        RBP => frames::RBP,
        other => other,
    }
}

/// Whether the plan and the unwind table tell the same.
fn agrees(plan: &Plan, row: frames::Row) -> bool {
    let ((register, offset), saved) = row;
    // The frame address lies above the return address: 8 above the entry's stack pointer.
    let same_sp = register != dwarf(plan.sp.0) || offset == 8 - plan.sp.1;
    let places = plan.kept.iter().zip(KEPT).zip(saved);
    same_sp
        && places.into_iter().all(|((place, register), saved)| match (place, saved) {
            // Saved, and still in the register as well; or kept in another one over an instruction
            // that the compiler's tables do not see (`cpuid` and rbx).
            (Place::Register(r), saved) => *r == register || saved.is_some() || register == RBX,
            (Place::Slot(at), Some(saved)) => *at == saved + 8,
            (Place::Slot(_), None) => false,
        })
}

/// Whether they differ by a push of rbx just before: corosensei's inline assembly has one around its
/// switch, of which the compiler's tables know nothing.
fn unseen_push(plan: &Plan, row: frames::Row, before: &[u8]) -> bool {
    const PUSH_RBX: u8 = 0x53;
    let (register, offset) = plan.sp;
    let without = Plan { sp: (register, offset + 8), ..*plan };
    before.last() == Some(&PUSH_RBX) && agrees(&without, row)
}

#[test]
fn plans_agree_with_the_unwind_tables_of_this_program() {
    /// Every so many functions: all of them take a minute in a debug build, which also has more.
    const EVERY: usize = if cfg!(debug_assertions) { 11 } else { 3 };
    let mut walker = Walker::new(beginning as *const () as usize);
    let mut analysis = Analysis::new();
    let mut starts = Vec::new();
    walker.each_function(|start| starts.push(start));
    let (mut plans, mut points) = (0, 0);
    for start in starts.into_iter().step_by(EVERY) {
        let Some(f) = walker.function(start).filter(|f| f.starts_plain) else { continue };
        let code = super::code::code_of(&f);
        for pc in beginning(code.bytes, start) {
            points += 1;
            let pads = |each: &mut dyn FnMut(usize)| {
                if let Some(lsda) = f.lsda() {
                    lsda.each_pad(each);
                }
            };
            let Some(plan) = analysis.plan(code, pc, pads) else { continue };
            plans += 1;
            if let Some(row) = walker.row(pc) {
                let known =
                    agrees(&plan, row) || unseen_push(&plan, row, &code.bytes[..pc - start]);
                assert!(known, "{start:#x}+{:#x}: {plan:?} {row:?}", pc - start);
            }
        }
    }
    assert!(points > 10_000 && plans * 2 > points, "{plans} plans for {points} points");
}
