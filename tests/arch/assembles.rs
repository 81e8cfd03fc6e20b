//! Takes an `arch/` file in as the crate does, so that LLVM's assembler sees it, for targets whose
//! standard library is not here. It stands without `core` and is compiled by `.ci/arch`, not cargo:
//!
//!     GORT_ARCH_FILE=.. RUSTC_BOOTSTRAP=1 rustc --target .. --crate-type lib --emit obj assembles.rs

#![feature(no_core, lang_items, rustc_attrs)]
#![allow(internal_features, bad_asm_style)]
#![no_core]

#[lang = "pointee_sized"]
trait PointeeSized {}
#[lang = "meta_sized"]
trait MetaSized: PointeeSized {}
#[lang = "sized"]
trait Sized: MetaSized {}

#[rustc_builtin_macro]
macro_rules! global_asm {
    () => {};
}
#[rustc_builtin_macro]
macro_rules! include_str {
    () => {};
}
#[rustc_builtin_macro]
macro_rules! env {
    () => {};
}

global_asm!(include_str!(env!("GORT_ARCH_FILE")), options(raw));
