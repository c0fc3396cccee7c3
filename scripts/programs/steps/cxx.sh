#!/bin/bash
# The C++ runtime (libc++, libc++abi, libunwind: their sources come with the compiler) with wasm exceptions in the
# encoding that EH says, as one library.
source "$(dirname "$0")/env.sh"
lib=$zig_dir/lib
objects=$built/build/cxx-$EH
rm -rf "$objects"
mkdir -p "$objects" "$sysroot/lib/$EH" "$sysroot/include-cxx"
cat >"$sysroot/include-cxx/__config_site" <<'C'
#define _LIBCPP_ABI_VERSION 1
#define _LIBCPP_ABI_NAMESPACE __1
#define _LIBCPP_HAS_THREADS 0
#define _LIBCPP_HAS_MONOTONIC_CLOCK 1
#define _LIBCPP_HAS_TERMINAL 1
#define _LIBCPP_HAS_MUSL_LIBC 1
#define _LIBCPP_HAS_THREAD_API_PTHREAD 0
#define _LIBCPP_HAS_THREAD_API_EXTERNAL 0
#define _LIBCPP_HAS_THREAD_API_C11 0
#define _LIBCPP_HAS_THREAD_API_WIN32 0
#define _LIBCPP_HAS_VENDOR_AVAILABILITY_ANNOTATIONS 0
#define _LIBCPP_HAS_FILESYSTEM 0
#define _LIBCPP_HAS_RANDOM_DEVICE 1
#define _LIBCPP_HAS_LOCALIZATION 1
#define _LIBCPP_HAS_UNICODE 1
#define _LIBCPP_HAS_WIDE_CHARACTERS 1
#define _LIBCPP_HAS_TIME_ZONE_DATABASE 0
#define _LIBCPP_HAS_LIBRARY_ALIGNED_ALLOCATION 1
#define _LIBCPP_LIBC_PICOLIBC 0
#define _LIBCPP_LIBC_NEWLIB 0
#define _LIBCPP_PSTL_BACKEND_SERIAL
#define _LIBCPP_HARDENING_MODE_DEFAULT _LIBCPP_HARDENING_MODE_NONE
#define _LIBCPP_ASSERTION_SEMANTIC_DEFAULT _LIBCPP_ASSERTION_SEMANTIC_IGNORE
C
flags=(-O2 -g0 -w -std=c++23 -DNDEBUG -D_LIBCXXABI_BUILDING_LIBRARY -D_LIBCPP_BUILDING_LIBRARY
  -DLIBCXX_BUILDING_LIBCXXABI -D_LIBCXXABI_HAS_NO_THREADS -D_LIBUNWIND_HAS_NO_THREADS -D_LIBUNWIND_HIDE_SYMBOLS
  -I"$lib/libcxx/src" -I"$lib/libcxx/libc" -I"$lib/libcxxabi/src")
abi=(cxa_aux_runtime cxa_default_handlers cxa_demangle cxa_exception cxa_exception_storage cxa_guard cxa_handlers
  cxa_personality cxa_vector cxa_virtual abort_message fallback_malloc private_typeinfo stdlib_exception
  stdlib_new_delete stdlib_stdexcept stdlib_typeinfo)
std=(algorithm any bind call_once new_helpers charconv chrono error_category exception expected functional hash ios
  ios.instantiations iostream locale memory memory_resource new_handler optional ostream random regex stdexcept string
  strstream system_error typeinfo valarray variant vector verbose_abort fstream)
mkdir -p "$objects/libcxx/src" "$objects/libcxxabi/src"
{
  printf 'libcxxabi/src/%s.cpp\n' "${abi[@]}"
  printf 'libcxx/src/%s.cpp\n' "${std[@]}"
} | xargs -P "$jobs" -I{} "$built/bin/wcxx" "${flags[@]}" -c "$lib/{}" -o "$objects/{}.o"

# The unwinder is C, compiled with exceptions on; and the tag that C++ throws is defined once, here.
"$zig" clang --target=wasm32-unknown-unknown -nostdinc -isystem "$sysroot/include" -isystem "$lib/include" -O2 -w \
  -fwasm-exceptions -mllvm -wasm-use-legacy-eh=$legacy_eh -I"$lib/libunwind/include" -D_LIBUNWIND_HAS_NO_THREADS \
  -D_LIBUNWIND_HIDE_SYMBOLS -DNDEBUG -c "$lib/libunwind/src/Unwind-wasm.c" -o "$objects/unwind.o"
printf '\t.globl\t__cpp_exception\n\t.tagtype\t__cpp_exception i32\n__cpp_exception:\n' >"$objects/tag.S"
"$zig" clang --target=wasm32-unknown-unknown -c "$objects/tag.S" -o "$objects/tag.o"

rm -f "$sysroot/lib/$EH/libcxx.a"
find "$objects" -name '*.o' | sort | xargs "$zig" ar rcs "$sysroot/lib/$EH/libcxx.a"
