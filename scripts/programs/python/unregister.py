# CPython up to 3.12 calls the C function behind this one as if it took keywords, which it doesn't.
import faulthandler

print(faulthandler.unregister(2))
