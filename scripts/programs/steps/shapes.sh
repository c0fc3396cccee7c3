#!/bin/bash
# The small programs of shapes/ -> out/shapes/legacy/NAME.wasm, and those with exceptions in them also
# out/shapes/exnref/NAME.wasm. The C++ ones are built for each encoding whose runtime is there.
source "$(dirname "$0")/env.sh"
out=$built/out/shapes
rm -rf "$out/legacy" "$out/exnref"
mkdir -p "$out/legacy" "$out/exnref"
for source in "$programs"/shapes/*.c; do
  name=$(basename "$source" .c) flags=(-O2) encodings=(legacy)
  case $name in
    *v128*) flags+=(-msimd128) ;;
    *tailcall*) flags+=(-mtail-call) ;;
    *longjmp*) encodings+=(exnref) ;;
  esac
  for eh in "${encodings[@]}"; do EH=$eh "$built/bin/wcc" "${flags[@]}" "$source" -o "$out/$eh/$name.wasm"; done
done
for source in "$programs"/shapes/*.cpp; do
  for eh in legacy exnref; do
    [ ! -s "$sysroot/lib/$eh/libcxx.a" ] || EH=$eh "$built/bin/wcxx" -O2 "$source" -o "$out/$eh/$(basename "$source" .cpp).wasm"
  done
done
