/* Empty on purpose: the compiler lowers setjmp and longjmp itself; src/setjmp/wasm32/rt.c has what it calls. */
