# Sourced by `build` and by every step: the folders, the compiler, the source packages.
#
#   EH       how setjmp and C++ exceptions are encoded: legacy (default) or exnref
#   VARIANT  which C library: plain (default) or signals
source "$(dirname "${BASH_SOURCE[0]}")/../../lib/common.sh"
programs=$scripts/programs
built=$cache/programs
stamps=$built/.stamps
jobs=${JOBS:-$(nproc)}
mkdir -p "$stamps" "$built/build" "$built/out" "$built/src"

export EH=${EH:-legacy} VARIANT=${VARIANT:-plain}
case $EH in
  legacy) legacy_eh=true ;;
  exnref) legacy_eh=false ;;
  *) die "EH is legacy or exnref, not $EH" ;;
esac
case $VARIANT in
  plain) sysroot=$built/sysroot suffix= ;;
  signals) sysroot=$built/sysroot-signals suffix=-signals ;;
  *) die "VARIANT is plain or signals, not $VARIANT" ;;
esac

# The compiler is Zig's, for the clang, lld and C++ runtime sources that its package brings along.
zig_version=0.17.0
venv=$built/venv
zig_home() { "$venv/bin/python" -c 'import ziglang, os; print(os.path.dirname(ziglang.__file__))' 2>/dev/null; }
get_toolchain() {
  need python3 make cc ar tar xz sed perl apt-get dpkg-source sha256sum
  python3 -c 'import venv, ensurepip' 2>/dev/null || die "this needs Python's venv module (Debian: python3-venv)"
  zig_home >/dev/null || {
    python3 -m venv "$venv"
    "$venv/bin/pip" install --quiet "ziglang==$zig_version"
  }
}
if zig_dir=$(zig_home); then zig=$zig_dir/zig; fi

# source_package NAME: prints where Debian's source package of that name lies unpacked, without Debian's patches.
# apt gets settings of its own, so that the machine's need no deb-src lines and are not touched.
source_package() {
  local name=$1 apt=$built/apt
  if ! ls -d "$built/src/$name"-[0-9]*/ >/dev/null 2>&1; then
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$apt/etc"
    if [ -s /etc/apt/sources.list.d/debian.sources ]; then
      sed 's/^Types: deb.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources >"$apt/etc/src.sources"
    else
      sed -n 's/^deb /deb-src /p' /etc/apt/sources.list >"$apt/etc/src.list"
    fi
    printf 'Dir::Etc::sourcelist "/dev/null";\nDir::Etc::sourceparts "%s";\nDir::State::Lists "%s";\nDir::Cache "%s";\n' \
      "$apt/etc/" "$apt/lists" "$apt/cache" >"$apt/apt.conf"
    export APT_CONFIG=$apt/apt.conf
    (
      cd "$built/src"
      get() { apt-get -qq source --download-only "$name" >/dev/null; }
      # Lists that are missing or too old name versions that are gone.
      get 2>/dev/null || { apt-get -qq update && get; }
      dpkg-source --no-check --skip-patches -x "$name"_*.dsc >/dev/null
    )
  fi
  ls -d "$built/src/$name"-[0-9]*/ | head -1 | sed 's,/$,,'
}

# fresh_copy SOURCE NAME: a clean build folder with a copy of SOURCE in it; prints where.
fresh_copy() {
  local to=$built/build/$2
  rm -rf "$to"
  mkdir -p "$to"
  cp -a "$1/." "$to"
  echo "$to"
}
