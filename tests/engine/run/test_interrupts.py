"""Signals end the process, so every case has a process of its own."""

import signal
import subprocess
import sys
import time

import pytest

PROGRAM = """
import sys, threading, time
from nerx.engine.run.interrupts import Interrupts

def work(seconds):
    for _ in range(int(seconds * 100)):
        time.sleep(0.01)

try:
    with Interrupts() as interrupts:
        interrupts.patience_s = {patience}
        print("ready", flush=True)
        {body}
    print("done", interrupts.asked, flush=True)
except KeyboardInterrupt:
    print("interrupted", flush=True)
    {after}
    sys.exit(7)
"""
ANY = [signal.SIGINT, signal.SIGTERM]


def interrupted(
    body: str, patience: float, *signals: int, after: str = "pass"
) -> tuple[int, str, float]:
    """Exit code, output, and seconds from the first signal to the end."""
    program = PROGRAM.format(patience=patience, body=body, after=after)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    began = time.monotonic()
    for number in signals:
        process.send_signal(number)
        time.sleep(0.1)
    out, errors = process.communicate(timeout=30)
    assert "Traceback" not in errors
    return process.returncode, out, time.monotonic() - began


@pytest.mark.parametrize("number", ANY)
def test_without_patience_it_ends_at_once(number: int) -> None:
    code, out, seconds = interrupted("work(20)", 0, number)
    assert (code, out) == (7, "interrupted\n")
    assert seconds < 2


@pytest.mark.parametrize("number", ANY)
def test_with_patience_what_ends_in_time_is_done(number: int) -> None:
    code, out, _ = interrupted("work(0.6)", 5, number)
    assert (code, out) == (0, "done True\n")


def test_patience_has_an_end_and_a_second_signal_too() -> None:
    code, out, seconds = interrupted("work(20)", 0.5, signal.SIGTERM)
    assert (code, out) == (7, "interrupted\n")
    assert 0.4 < seconds < 3
    code, out, seconds = interrupted("work(20)", 9, signal.SIGTERM, signal.SIGINT)
    assert (code, out) == (7, "interrupted\n")
    assert seconds < 3


def test_the_process_ends_whatever_its_threads_wait_for() -> None:
    stuck = "threading.Thread(target=work, args=(20,)).start(); work(20)"
    code, out, seconds = interrupted(stuck, 0.3, signal.SIGINT)
    assert (code, out) == (130, "interrupted\n")
    assert seconds < 4
    code, out, seconds = interrupted("work(20)", 0, signal.SIGINT, after="work(20)")
    assert (code, out) == (130, "interrupted\n")
    assert seconds < 4


def test_without_a_signal_nothing_happens_and_handlers_are_given_back() -> None:
    program = (
        "import signal\n"
        "from nerx.engine.run.interrupts import Interrupts\n"
        "before = signal.getsignal(signal.SIGTERM)\n"
        "with Interrupts() as interrupts:\n"
        "    assert signal.getsignal(signal.SIGTERM) != before\n"
        "assert signal.getsignal(signal.SIGTERM) == before and not interrupts.asked\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)
