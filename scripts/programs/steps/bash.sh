#!/bin/bash
# bash -> out/bash.wasm; with exnref, out/bash-exnref.wasm; with CASTS=kept, out/bash-casts.wasm, which
# traps where bash calls a function by another type.
source "$(dirname "$0")/env.sh"
[ "${CASTS:-patched}" = patched ] || suffix=-casts$suffix
[ "$EH" = legacy ] || suffix=-exnref
bash=$(source_package bash)
cd "$(fresh_copy "$bash" "bash$suffix")"

# main takes its environment from environ, as the C library's start-up code passes two arguments.
sed -i "s/#ifdef __OPENNT/#ifdef NO_MAIN_ENV_ARG/" shell.c

# wasm checks the type of an indirect call. bash's cleanup handlers have several types, yet all are called as
# int (*)(char *): call them as void (*)(char *), and go through one shim for those that take nothing.
patch_casts() {
  sed -i 's/(\*(elt->head.cleanup)) (elt->arg.v);/((void (*)(char *))(elt->head.cleanup)) (elt->arg.v);/' unwind_prot.c
  cat >>unwind_prot.c <<'C'
#include <unistd.h>
void uwp_call0 (char *f) { ((void (*)(void))f) (); }
void uwp_close (char *fd) { close ((int)fd); }
void uwp_unlink (char *p) { unlink (p); }
C
  echo 'extern void uwp_call0 (char *), uwp_close (char *), uwp_unlink (char *);' >>unwind_prot.h
  for handler in pop_stream parser_restore_alias set_history_remembering bashline_reinitialize set_verbose_flag \
    reset_timeout reset_locals pop_context pop_args merge_temporary_env maybe_pop_dollar_vars \
    bashline_reset_event_hook; do
    sed -i -E "s/add_unwind_protect \\((\\(Function \\*\\))?$handler, [^;]*\\);/add_unwind_protect (uwp_call0, (char *)$handler);/" \
      *.c builtins/*.def builtins/*.c
  done
  sed -i -E 's/add_unwind_protect \((close|unlink),/add_unwind_protect (uwp_\1,/' *.c builtins/*.def builtins/*.c
  perl -0pi -e 's/static int restore_signal_mask/static void restore_signal_mask/g;
    s/static int\nrestore_signal_mask \(set\)/static void\nrestore_signal_mask (set)/;
    s/return \(sigprocmask \(SIG_SETMASK, set, \(sigset_t \*\)NULL\)\);/sigprocmask (SIG_SETMASK, set, (sigset_t *)NULL);/' \
    execute_cmd.c
}
[ "${CASTS:-patched}" = kept ] || patch_casts

# What configure finds out by running programs, answered for it.
export bash_cv_func_sigsetjmp=missing bash_cv_getcwd_malloc=yes bash_cv_must_reinstall_sighandlers=no \
  bash_cv_signal_vintage=posix bash_cv_job_control_missing=present bash_cv_sys_named_pipes=present \
  bash_cv_func_ctype_nonascii=yes bash_cv_printf_a_format=yes bash_cv_wcontinued_broken=no bash_cv_unusable_rtsigs=no \
  bash_cv_under_sys_siglist=no bash_cv_sys_siglist=no bash_cv_decl_sys_siglist=no bash_cv_dev_fd=absent \
  bash_cv_dev_stdin=absent bash_cv_getenv_redef=no bash_cv_func_strcoll_broken=no bash_cv_func_snprintf=yes \
  bash_cv_func_vsnprintf=yes bash_cv_opendir_not_robust=no bash_cv_ulimit_maxfds=no bash_cv_pgrp_pipe=no \
  bash_cv_type_rlimit=rlim_t ac_cv_func_mmap_fixed_mapped=no ac_cv_rl_version=8.2 gt_cv_int_divbyzero_sigfpe=no \
  ac_cv_func_strtold=yes bash_cv_strtold_broken=no bash_cv_func_strtoimax=yes
CC=$built/bin/wcc AR=$built/bin/war RANLIB=$built/bin/wranlib CFLAGS="-O2 -w -DNO_MAIN_ENV_ARG" CC_FOR_BUILD=cc \
  CFLAGS_FOR_BUILD=-w ./configure --host=wasm32-unknown-linux-musl --build=x86_64-linux-gnu --without-bash-malloc \
  --disable-nls --disable-readline --disable-history --disable-bang-history --disable-net-redirections
make -j"$jobs" LDFLAGS=-Wl,--allow-multiple-definition
cp bash "$built/out/bash$suffix.wasm"
