"""Python with the library by ctypes: goroutines run Python functions, and several threads call in."""

import ctypes
import sys
import threading

gort = ctypes.CDLL(sys.argv[1])
FUNCTION = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
gort.gort_chan_new.restype = ctypes.c_void_p
gort.gort_chan_new.argtypes = [ctypes.c_size_t, ctypes.c_size_t]
gort.gort_chan_send.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
gort.gort_chan_recv.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64]
gort.gort_run.argtypes = [FUNCTION, ctypes.c_void_p]
FOREVER = -1

chan = gort.gort_chan_new(8, 200)


@FUNCTION
def send(number):
    value = ctypes.c_int64(number or 0)
    assert gort.gort_chan_send(chan, ctypes.byref(value), FOREVER) == 0


threads = [threading.Thread(target=gort.gort_run, args=(send, n)) for n in range(1, 21)]
for thread in threads:
    thread.start()
total, value = 0, ctypes.c_int64()
for _ in threads:
    assert gort.gort_chan_recv(chan, ctypes.byref(value), FOREVER) == 0
    total += value.value
for thread in threads:
    thread.join()
print("total", total)
