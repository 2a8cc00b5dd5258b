"""Types keys into an interactive shell on a terminal, and prints what it says.

python3 shell.py MARK SHELL [ARGUMENTS...]: each line of standard input is keys, as JSON; before the next ones
the shell has to have said MARK once more.
"""
import json, os, pty, select, sys, time

mark, command = sys.argv[1].encode(), sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
said = b""


def read_until(count):
    global said
    end = time.monotonic() + 60
    while said.count(mark) < count:
        if time.monotonic() > end or not select.select([terminal], [], [], 1)[0]:
            if time.monotonic() > end:
                break
            continue
        try:
            said += os.read(terminal, 65536)
        except OSError:
            break


read_until(1)
for number, line in enumerate(sys.stdin):
    os.write(terminal, json.loads(line).encode())
    read_until(number + 2)
os.close(terminal)
os.waitpid(pid, 0)
sys.stdout.buffer.write(said)
