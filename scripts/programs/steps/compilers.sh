#!/bin/bash
# The compiler commands in $built/bin, as configure scripts want them: wcc (C), wcxx (C++), war, wranlib, wasm-ld.
# EH picks the encoding of exceptions and VARIANT the C library when they run; WLDFLAGS goes to the linker.
source "$(dirname "$0")/env.sh"
bin=$built/bin
mkdir -p "$bin"
for tool in "wasm-ld wasm-ld" "war ar" "wranlib ranlib"; do
  set -- $tool
  printf '#!/bin/sh\nexec "%s" %s "$@"\n' "$zig" "$2" >"$bin/$1"
done

# What both compilers share. A wasm-opt that happens to be on PATH has no part in it.
cat >"$bin/common.sh" <<W
zig="$zig" lib="$zig_dir/lib" eh=\${EH:-legacy}
case \${VARIANT:-plain} in plain) sysroot="$built/sysroot" ;; *) sysroot="$built/sysroot-\$VARIANT" ;; esac
case \$eh in legacy) legacy=true ;; *) legacy=false ;; esac
base=(--target=wasm32-unknown-unknown -nostdinc -mllvm -wasm-enable-sjlj -mllvm -wasm-use-legacy-eh=\$legacy
  -mbulk-memory -Qunused-arguments --no-wasm-opt -D_GNU_SOURCE -D__linux__ -D__unix__)
link_flags=(-Wl,-z,stack-size=\${STACK:-1048576} -Wl,--export=__stack_pointer -Wl,--stack-first
  \${WLDFLAGS:-})
# A command that only compiles, preprocesses or asks for the version must not see the linker's arguments.
mode=link
for a; do
  case \$a in
    -c | -S | -E | -M | -MM | --version | -v | -V | -print*) mode=compile ;;
    -r | -Wl,-r) mode=relocatable ;;
  esac
done
W
# C programs export their table, as many modules do: then any function that the host can get hold of may be in it, which
# is the harder case. In C++ that would put fork within reach of every handler, by way of std::terminate.
# sigsetjmp and siglongjmp are the plain ones: the signal mask lies with the host.
cat >"$bin/wcc" <<W
#!/bin/bash
source "$bin/common.sh"
base+=(-isystem "\$sysroot/include" -isystem "\$lib/include"
  "-Dsigsetjmp(b,s)=setjmp(b)" -Dsiglongjmp=longjmp -D_setjmp=setjmp -D_longjmp=longjmp)
case \$mode in
  compile) exec "\$zig" clang "\${base[@]}" "\$@" ;;
  relocatable) exec "\$zig" clang -B"$bin" "\${base[@]}" -nostdlib "\$@" ;;
  link) exec "\$zig" clang -B"$bin" "\${base[@]}" -nostdlib "\$sysroot/lib/crt1.o" -L"\$sysroot/lib" "\$@" \\
    -lc -lcompiler_rt "\${link_flags[@]}" -Wl,--export-table ;;
esac
W
cat >"$bin/wcxx" <<W
#!/bin/bash
source "$bin/common.sh"
base+=(-nostdinc++ -isystem "\$sysroot/include-cxx" -isystem "\$lib/libcxx/include" -isystem "\$lib/libcxxabi/include"
  -isystem "\$sysroot/include" -isystem "\$lib/include" -include "\$sysroot/include-cxx/__config_site" -fwasm-exceptions)
case \$mode in
  link) exec "\$zig" clang -B"$bin" "\${base[@]}" -nostdlib "\$sysroot/lib/crt1.o" -L"\$sysroot/lib/\$eh" \\
    -L"\$sysroot/lib" "\$@" -lcxx -lc -lcompiler_rt "\${link_flags[@]}" ;;
  *) exec "\$zig" clang -x c++ "\${base[@]}" "\$@" ;;
esac
W
chmod +x "$bin"/w*
