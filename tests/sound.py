"""Sounds to make and measures to take, for tests: pcm16 mono throughout."""

import array
import math
import random


def tone(frequency: float, rate: int, ms: float, amplitude: int = 10000) -> bytes:
    count = int(rate * ms / 1000)
    step = 2 * math.pi * frequency / rate
    return array.array("h", (round(amplitude * math.sin(step * index)) for index in range(count))).tobytes()


def noise(rate: int, ms: float, amplitude: int = 3000, seed: int = 1) -> bytes:
    """White noise, evenly spread between -amplitude and +amplitude."""
    numbers = random.Random(seed)
    return array.array("h", (numbers.randint(-amplitude, amplitude) for _ in range(int(rate * ms / 1000)))).tobytes()


def samples(pcm: bytes) -> "array.array[int]":
    numbers = array.array("h")
    numbers.frombytes(pcm)
    return numbers


def tone_level(pcm: bytes, frequency: float, rate: int) -> float:
    """The amplitude of one frequency in `pcm` (one bin of a Fourier transform)."""
    numbers = samples(pcm)
    step = 2 * math.pi * frequency / rate
    real = sum(number * math.cos(step * index) for index, number in enumerate(numbers))
    imaginary = sum(number * math.sin(step * index) for index, number in enumerate(numbers))
    return 2 * math.hypot(real, imaginary) / max(1, len(numbers))


def steady_level(pcm: bytes, frequency: float, rate: int) -> float:
    """The amplitude of a frequency that is there for half of the time at least: where it begins, ends or pauses does
    not matter. In pieces of 100 ms, so a multiple of 10 Hz."""
    size = rate // 5
    levels = sorted(tone_level(pcm[at : at + size], frequency, rate) for at in range(0, len(pcm) - size + 1, size))
    return levels[len(levels) * 3 // 4] if levels else 0.0


def decibels(ratio: float) -> float:
    return 20 * math.log10(max(ratio, 1e-9))
