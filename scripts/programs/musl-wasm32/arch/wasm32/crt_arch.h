/* Empty on purpose: crt/wasm32/crt1.c is the whole start-up code. */
