# Sourced by the commands of this folder: where things are, and how they fail.
#
#   $root       the repository               $cache       what is fetched and built, kept between runs
#   $scripts    this folder                  $node        a Node that runs every module we test
#   $wasm_fork  the tool (after find_tool)   $work        scratch space, removed at exit (after make_work)
set -euo pipefail
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
root=$(dirname "$scripts")
cache=${WASM_FORK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wasm-fork}
node=$cache/corpus/node26/bin/node
# The WASI module of Node warns at every start.
export NODE_NO_WARNINGS=1 LC_ALL=C TZ=UTC

die() {
  echo "error: $*" >&2
  exit 1
}

# need TOOL...: stops with one message that names everything that is missing.
need() {
  local tool missing=()
  for tool; do command -v "$tool" >/dev/null || missing+=("$tool"); done
  [ ${#missing[@]} = 0 ] || die "this needs, on PATH: ${missing[*]}"
}

# The tool under test: WASM_FORK, else a release build of this tree.
find_tool() {
  if [ -n "${WASM_FORK:-}" ]; then
    wasm_fork=$WASM_FORK
  else
    need cargo
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    wasm_fork=${CARGO_TARGET_DIR:-$root/target}/release/wasm-fork
  fi
  [ -x "$wasm_fork" ] || die "no wasm-fork at $wasm_fork"
}

# The ways to rewrite functions that WAY names, one a word: `size`, `balanced`, `speed`, or one of the last two with `+resume-module`
# behind; `all`; or `turn`, one that changes from commit to commit.
optimize_ways() { # WAY
  local ways=(size balanced speed balanced+resume-module speed+resume-module)
  case $1 in
    all) echo "${ways[@]}" ;;
    turn) echo "${ways[$(git -C "$root" rev-list --count HEAD) % ${#ways[@]}]}" ;;
    size | balanced | speed | balanced+resume-module | speed+resume-module) echo "$1" ;;
    *) die "--optimize takes size, balanced, speed, turn or all, and balanced and speed with a resume module, not $1" ;;
  esac
}

# The same for a command with the option --resume-module: with one wherever functions are apart.
with_resume_module() { # WAY
  case $1 in
    all | turn) echo balanced+resume-module speed+resume-module ;;
    balanced | speed) echo "$1+resume-module" ;;
    *) die "--resume-module goes with --optimize balanced, speed, or all, not $1" ;;
  esac
}

make_work() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
}
