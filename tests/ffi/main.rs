//! The C interface: the header, and programs in C and C++ that are compiled with it, linked with the
//! static or the shared library, and run; and what a debugger sees of them.

mod debugger;
mod header;
mod programs;
