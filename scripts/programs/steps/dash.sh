#!/bin/bash
# dash -> out/dash.wasm, or out/dash-signals.wasm with the library that delivers signals; with exnref, which goes with that, dash-exnref.
source "$(dirname "$0")/env.sh"
name=dash$suffix
[ "$EH" = legacy ] || name=dash-exnref
dash=$(source_package dash)
cd "$(fresh_copy "$dash" "$name")"
CC=$built/bin/wcc AR=$built/bin/war RANLIB=$built/bin/wranlib CFLAGS="-O2 -w" CC_FOR_BUILD=cc \
  ./configure --host=wasm32-linux --without-libedit ac_cv_func_fnmatch=yes ac_cv_func_glob=yes ac_cv_func_fork=yes \
  ac_cv_func_signal=yes ac_cv_func_stat64=no ac_cv_func_open64=no ac_cv_func_glob64=no ac_cv_have_decl_stat64=no
# The generated build files are younger than the sources; the copy must not wake the generators.
make -j"$jobs" ACLOCAL=: AUTOMAKE=: AUTOCONF=: AUTOHEADER=:
cp src/dash "$built/out/$name.wasm"
