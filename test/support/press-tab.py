"""Types into an interactive shell on a terminal of its own, and prints what the terminal shows.

press-tab.py SHELL SETUP TYPED WANTED: runs SETUP in the shell (bash or zsh, without the user's files), types TYPED (which may hold
tabs) and reads until the terminal shows WANTED, for at most 200 seconds.
"""
import os, pty, select, sys, time

shell, setup, typed, wanted = sys.argv[1:5]
flags = ["--norc", "--noprofile", "-i"] if shell == "bash" else ["-f", "-i"]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(TERM="dumb", PS1="", PROMPT="")
    os.execvp(shell, [shell, *flags])

seen = b""


def read_until(text):
    global seen
    end = time.monotonic() + 200
    while text.encode() not in seen and time.monotonic() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536).replace(b"\a", b"")  # zsh rings before it completes
            except OSError:
                break


# The marker is spelled so that the echo of the line is not taken for its output.
os.write(terminal, (setup + "; echo rea''dy\n").encode())
read_until("ready")
seen = b""
os.write(terminal, typed.encode())
read_until(wanted)
sys.stdout.buffer.write(seen)
os.close(terminal)
