#!/bin/bash
# busybox -> out/busybox.wasm: the tools that a shell calls, in one program.
source "$(dirname "$0")/env.sh"
busybox=$(source_package busybox)
cd "$(fresh_copy "$busybox" busybox)"

# Nothing of its default set, but these applets and what they need.
options=(
  LFS LONG_OPTS STATIC BUSYBOX
  BASENAME CAT CHMOD CMP COMM CP CUT DATE DIFF DIRNAME DU ECHO ENV EXPAND EXPR FALSE FIND FEATURE_FIND_EXEC FEATURE_FIND_NAME
  FEATURE_FIND_TYPE FEATURE_LS_FILETYPES FEATURE_LS_SORTFILES FEATURE_LS_TIMESTAMPS FOLD GREP GZIP GUNZIP HEAD HEXDUMP ID LS MD5SUM MKDIR MV
  NL OD PASTE PRINTENV PRINTF PWD REV RM RMDIR SED SEQ SHA256SUM SHUF SLEEP SORT SPLIT STAT TAC TAIL TEE TEST TIMEOUT TOUCH TR TRUE TTY
  UNAME UNEXPAND UNIQ VI WC WHICH WHOAMI XARGS YES ZCAT AWK ED
  FEATURE_VI_COLON FEATURE_VI_SEARCH FEATURE_VI_SETOPTS FEATURE_VI_SET FEATURE_VI_USE_SIGNALS
)
make allnoconfig
for option in "${options[@]}"; do
  sed -i "s/^# CONFIG_$option is not set/CONFIG_$option=y/" .config
done
make oldconfig < <(yes '')

# Its build calls a linker for objects, and a few tools that have no work to do here.
{
  echo '#!/bin/bash'
  echo 'kept=()'
  echo 'for flag; do case $flag in -Wl,--start-group | -Wl,--end-group | -Wl,--warn-common | -Wl,--sort-* | -Wl,-Map* | -Wl,--verbose | -static*) ;;'
  echo '*) kept+=("$flag") ;; esac; done'
  echo "exec '$built/bin/wcc' \"\${kept[@]}\""
} >cross-gcc
cp "$built/bin/war" cross-ar
cp "$built/bin/wranlib" cross-ranlib
printf '#!/bin/sh\nexec "%s" wasm-ld -r "$@"\n' "$zig" >cross-ld
for tool in nm strip objcopy objdump as; do printf '#!/bin/sh\nexec true\n' >"cross-$tool"; done
chmod +x cross-*
make -j"$jobs" CROSS_COMPILE="$PWD/cross-" HOSTCC=cc CONFIG_EXTRA_CFLAGS=-w SKIP_STRIP=y busybox_unstripped
cp busybox_unstripped "$built/out/busybox.wasm"
