#!/bin/bash
# The small commands of tools/ -> out/NAME.wasm. They don't fork, so they are run as they are.
source "$(dirname "$0")/env.sh"
for source in "$programs"/tools/*.c; do
  "$built/bin/wcc" -O2 "$source" -o "$built/out/$(basename "$source" .c).wasm"
done
