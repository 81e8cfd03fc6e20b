#!/bin/sh
# Installs header, libraries, pkg-config file and gdb's script of a release build:
#
#   cargo build --release && sh install.sh /usr/local
set -eu
prefix=${1:?where to, for example /usr/local}
cd "$(dirname "$0")"
libraries=${GORT_LIBRARIES:-target/release}
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
mkdir -p "$prefix/include" "$prefix/lib/pkgconfig" "$prefix/share/gort"
cp include/gort.h "$prefix/include/"
cp "$libraries/libgort.a" "$libraries/libgort.so" "$prefix/lib/"
cp gdb/gort-gdb.py "$prefix/share/gort/"
cat >"$prefix/lib/pkgconfig/gort.pc" <<PC
prefix=$prefix
Name: gort
Description: Go's goroutine runtime for native programs
Version: $version
Cflags: -I\${prefix}/include
Libs: -L\${prefix}/lib -lgort
Libs.private: -lpthread -ldl -lm
PC
