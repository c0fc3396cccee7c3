"""What Binaryen's tools are told about the modules that they rewrite."""

# what V8 runs without a flag
FEATURES = [
    f"--enable-{feature}"
    for feature in """bulk-memory bulk-memory-opt call-indirect-overlong exception-handling multivalue mutable-globals
        nontrapping-float-to-int reference-types sign-ext simd""".split()
]
