#!/bin/bash
# The C library: musl with the port of musl-wasm32/ laid over it. One thread; a system call is one import.
source "$(dirname "$0")/env.sh"
musl=$(source_package musl)
cd "$(fresh_copy "$musl" "musl$suffix")"
cp -r "$programs/musl-wasm32/." .
define=
[ "$VARIANT" = plain ] || define=-DWITH_SIGNALS
clang="$zig clang --target=wasm32-unknown-unknown"
cat >config.mak <<C
ARCH = wasm32
srcdir = .
prefix = $sysroot
syslibdir = $sysroot/lib
CC = $clang
AR = $zig ar
RANLIB = $zig ranlib
MALLOC_DIR = oldmalloc
CFLAGS = -O2 -g0 -fno-builtin-malloc -Wno-everything -mbulk-memory -mllvm -wasm-enable-sjlj -mllvm -wasm-use-legacy-eh=$legacy_eh -Qunused-arguments $define
C
make -s -j"$jobs" lib/libc.a $(for l in m rt pthread crypt util xnet resolv dl; do echo lib/lib$l.a; done)
make -s install-headers
$clang -O2 -c crt/wasm32/crt1.c -o crt1.o -nostdinc -I"$sysroot/include" -I"$zig_dir/lib/include"
mkdir -p "$sysroot/lib"
cp lib/*.a crt1.o "$sysroot/lib/"
# What the compiler calls for 128-bit and soft-float arithmetic.
"$zig" build-lib -target wasm32-freestanding -OReleaseSmall -fstrip "$zig_dir/lib/compiler_rt.zig" \
  -femit-bin="$sysroot/lib/libcompiler_rt.a"
