#!/bin/bash
# The programs of shims/ -> out/shims/exported/NAME.wasm, whose table the host can reach, and out/shims/private/NAME.wasm,
# whose table it can't. With debug information, which tells what takes variable arguments.
source "$(dirname "$0")/env.sh"
out=$built/out/shims
rm -rf "$out"
mkdir -p "$out/exported" "$out/private"
for source in "$programs"/shims/*.c "$programs"/shims/left_alone/*.c; do
  name=$(basename "$source" .c)
  "$built/bin/wcc" -O2 -g -w -c "$source" -o "$out/$name.o"
  "$built/bin/wcc" "$out/$name.o" -o "$out/exported/$name.wasm"
  "$built/bin/wasm-ld" -z stack-size=1048576 --stack-first --export=__stack_pointer \
    "$sysroot/lib/crt1.o" "$out/$name.o" -L"$sysroot/lib" -lc -lcompiler_rt -o "$out/private/$name.wasm"
  rm "$out/$name.o"
done
