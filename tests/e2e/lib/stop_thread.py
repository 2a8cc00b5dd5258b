"""Holds one thread of a process still, as if it never came back from its work, until standard input ends: stop_thread.py TID"""
import ctypes
import os
import sys

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000  # of waitpid(2): also threads that this process hasn't made

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
thread = int(sys.argv[1])
for request in (PTRACE_SEIZE, PTRACE_INTERRUPT):
    if libc.ptrace(request, thread, None, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
os.waitpid(thread, WALL)
print("stands still", flush=True)
sys.stdin.read()
libc.ptrace(PTRACE_DETACH, thread, None, None)
